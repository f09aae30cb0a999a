"""What the tests stand on: isolated instances, waiting for conditions, looking at processes."""
