"""Many calls outstanding on one connection."""
