"""Generators of the reference pages, the event contract and the documentation site. Services never import them."""
