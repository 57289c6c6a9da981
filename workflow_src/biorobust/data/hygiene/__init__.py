"""Can the images be trusted? Copies, blank and tiny images, classes that look swapped."""
