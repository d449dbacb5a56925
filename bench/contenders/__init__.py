"""Other job queues with a job that does nothing."""
