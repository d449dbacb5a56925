"""Benchmarks, at most one in each file, and their helpers. `make bench` runs those that have targets."""
