"""Images: where they come from, how they are decoded and cropped, how they are stored and read."""
