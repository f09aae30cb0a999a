"""Ending processes, and everything that they have started."""
