"""The embedded engines and the supervisor that `payments up` and the tests start. Production does not import it."""
