"""The asyncio shell around the core: front socket, gateway, pools. It never forks and never signals a process."""
