"""A call from its acceptance to its answer."""
