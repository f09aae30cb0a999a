"""What snakepit costs, measured beside the standard library's own ways in one run: `python -m benchmarks`."""
