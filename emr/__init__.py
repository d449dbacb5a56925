"""The publisher's side: a client, an outbox, a simulator and a reader of Synthea exports.

It imports `payments.contract` alone.
"""
