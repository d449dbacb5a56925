"""The feed as Redis streams: reading, claiming, redelivering and acknowledging its entries."""
