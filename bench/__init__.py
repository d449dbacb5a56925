"""Benchmarks, one in each file. `make bench` runs those that have targets."""
