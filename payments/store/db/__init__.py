"""The database connection, bulk statements, as-of queries and maintenance. Nothing here is specific to payments."""
