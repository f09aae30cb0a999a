"""The pool as a pure machine: events in, effects out. No clock, no I/O, no asyncio, no protobuf, no logging."""
