"""One file for each protocol that clients speak; turns it into ops. Knows no pool."""
