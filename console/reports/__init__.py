"""The definitions of the reports. Page, API, command and export use the same columns and filters."""
