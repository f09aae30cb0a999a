"""What a pool runs: the base class of adapters, and the adapters that come with the bridge."""
