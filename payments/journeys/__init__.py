"""Use cases, one a file: load, decide by the rules of `payments.core`, store.

The caller opens and commits the transaction. Journeys do not call each other.
"""
