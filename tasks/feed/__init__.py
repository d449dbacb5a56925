"""The feed as Redis streams: reading, claiming, redelivery and acknowledgement."""
