"""The publisher's side: a client, an outbox, a simulator and a reader of Synthea exports.

Of the other packages, it imports only `payments.contract`.
"""
