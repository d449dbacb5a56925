"""The definitions of the reports: one definition of columns and filters for page, API, command line and export."""
