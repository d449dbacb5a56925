"""The embedded servers and the supervisor that `payments up` and the tests start. Production does not import them."""
