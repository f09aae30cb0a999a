"""State of sessions as the event loop sees it: requests to the store, watchers, and leases of values."""
