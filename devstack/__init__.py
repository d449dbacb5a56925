"""The embedded engines, ports and supervisor that `payments up` and the tests start; production never does."""
