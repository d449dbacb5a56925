"""Use cases, one per file. Each loads data, decides by the rules of `payments.core`, and stores the result.

The caller opens and commits the transaction. Journeys do not call each other.
"""
