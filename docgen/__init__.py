"""Generators of the reference pages, the event contract and the documentation site. The product never imports them."""
