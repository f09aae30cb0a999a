"""One file a verb (or a family of them): its options, and the call of the client that does the work."""
