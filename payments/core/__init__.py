"""The rules of the office as pure functions and values: no database, no queue, no clock."""
