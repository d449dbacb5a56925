"""The console's pages and API."""
