"""The Celery tasks, and the sending of their messages. Each task is short and calls a function of `payments`."""
