"""Start-up, watchdog, ports and schema upgrade that the services share."""
