"""Values and errors that every layer shares. Starts no process; imports the standard library only."""
