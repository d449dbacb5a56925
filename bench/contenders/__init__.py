"""Job queues that are compared with the import. Each runs jobs that do nothing."""
