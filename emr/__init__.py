"""The publisher's side: a client, an outbox, a simulator and a reader of Synthea exports.

From the other packages, it imports only `payments.contract`.
"""
