"""How fast spinbound is and how it scales, beside what else computes the same: `python benchmarks`."""
