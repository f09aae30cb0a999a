"""The client's side of the front protocol: find or start a server, one typed function a request."""
