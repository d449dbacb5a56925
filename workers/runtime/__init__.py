"""Start-up, watchdog and clock handling that the service processes share."""
