"""Tables as input and output of `map`."""
