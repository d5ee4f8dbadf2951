"""Other libraries: what is here as they expect it, and what is theirs as it is expected here. Each needs its extra."""
