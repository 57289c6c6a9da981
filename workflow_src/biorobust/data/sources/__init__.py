"""Where images come from, one family of sources a file; `catalogue` has the public functions."""
