"""What a person asks of results and models beside the workflow: one command a file."""
