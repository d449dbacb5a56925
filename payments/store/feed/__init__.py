"""The payment feed: processed events, dead letters, which rows are current, and requeues."""
