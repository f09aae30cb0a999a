"""The crash-proof table of processes that we owe a burial, and what makes a process the one we mean."""
