"""Configuration: settings, engine addresses, Celery, schedule and logging.

It imports no other package of the project.
"""
