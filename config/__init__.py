"""Configuration: settings, engine addresses, Celery, schedule, logging. It imports no other package of the project."""
