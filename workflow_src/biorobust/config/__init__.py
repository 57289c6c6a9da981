"""The experiment: what a config may say, and what follows from it for every job."""
