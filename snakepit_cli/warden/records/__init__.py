"""What the warden keeps: the registry, logs, and where its files are."""
