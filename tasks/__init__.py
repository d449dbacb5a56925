"""The messages: short entries between the queue and the journeys."""
