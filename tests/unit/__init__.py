"""One folder a layer. Fast, and mostly in this process."""
