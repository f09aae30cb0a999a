"""What makes adapters of classes of other shapes, and adapter objects for each call."""
