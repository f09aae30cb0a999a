"""Tables as input and output of `map`: rows become JSON lines before they are items, answers become rows again."""
