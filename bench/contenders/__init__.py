"""Job queues to compare with, each running a job that does nothing."""
