"""The pages of the console, one module per page. Every page declares the right that it requires."""

from console.web import row_paths

row_paths.register()
