"""The database connection, bulk statements, as-of queries and maintenance; nothing about payments."""
