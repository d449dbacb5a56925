"""Code that the services share: start-up, watchdog, heartbeat, ports and schema upgrade."""
