"""The console's pages, a file each; every page states the right that it asks for."""
