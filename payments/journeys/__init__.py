"""Use cases, one per file: load the data, decide by the rules of `payments.core`, store the result.

The caller opens and commits the transaction. Journeys do not call each other.
"""
