"""Sessions, variables and programs on disk: SQLite on a thread of its own, and what may be written into it."""
