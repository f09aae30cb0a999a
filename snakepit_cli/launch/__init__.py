"""What to execute for an adapter: planning; nothing here starts a process."""
