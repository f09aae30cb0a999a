"""Whether a worker keeps to the worker contract, found out by being its server."""
