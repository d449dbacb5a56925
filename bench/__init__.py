"""Measurements, one a file, printed by `make bench`."""
