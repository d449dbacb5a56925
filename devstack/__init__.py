"""The embedded servers and the supervisor that `payments up` and the tests start.

Production services do not import it.
"""
