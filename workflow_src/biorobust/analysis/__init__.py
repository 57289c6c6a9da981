"""From the rows of all attack jobs to the tables and figures that a reader sees."""
