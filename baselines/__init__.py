"""Systems compared on the benchmark: one folder per system."""
