"""Measurements, one file each, printed by `make bench`."""
