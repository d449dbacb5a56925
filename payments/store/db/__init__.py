"""The database connection, bulk statements, as-of queries and maintenance of the database."""
