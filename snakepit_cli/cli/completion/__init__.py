"""Completion in shells: what can be completed, and the scripts that do it."""
