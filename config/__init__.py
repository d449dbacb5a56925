"""What an operator may change: settings, the Celery configuration, the schedule, logging. A leaf."""
