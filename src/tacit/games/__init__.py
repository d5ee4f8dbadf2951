"""Stage games, one file each, with their benchmarks."""
