"""Files, environment and flags become settings that are checked once."""
