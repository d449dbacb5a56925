"""One definition of each report's columns and filters for page, API, command line and export."""
