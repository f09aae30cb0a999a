"""The I/O shell of core.Pool, and what belongs to it: handover, liveness, recycling, views."""
