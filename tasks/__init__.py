"""The Celery messages, and the tasks that handle them. Each task is short and calls a function of `payments`."""
