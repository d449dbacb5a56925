"""The console: the `payments` command and the pages."""
