"""Job queues with which the import is compared. Their jobs do nothing."""
