"""The payment feed: processed events, dead letters, current rows of the Claims Feed, and requeues."""
