"""Generators of the reference pages, the event contract and the documentation site; the product never imports them."""
