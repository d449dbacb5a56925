"""The console: the `payments` command, the web pages and the API."""
