"""One typed function for each request. Knows no transport."""
