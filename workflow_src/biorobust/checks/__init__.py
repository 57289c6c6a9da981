"""Checks of the evaluation itself: can a number of the tables be trusted? One file a check."""
