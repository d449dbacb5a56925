"""The console's pages, one module per page. Every page declares the right that it requires."""
