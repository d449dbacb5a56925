"""The Celery tasks, and the functions that enqueue them. Each task is short and calls a function of `payments`."""
