"""Benchmarks, one per file, printed by `make bench`."""
