"""Benchmarks, one per file. `make bench` runs them."""
