"""The Celery messages, and the tasks that handle them. Each task is a short entry into a journey."""
