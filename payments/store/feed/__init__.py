"""Events recorded, dead letters and requeues."""
