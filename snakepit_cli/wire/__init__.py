"""What travels between processes: front frames (client and server) and the worker contract's messages."""
