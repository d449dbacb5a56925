"""Job queues to compare with our import. Each runs jobs that do nothing."""
