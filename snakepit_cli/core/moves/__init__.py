"""The moves of core/table.py: what a pool does about an event, one file for calls, workers and its size."""
