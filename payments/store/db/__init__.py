"""The database connection, bulk writes and queries as of a moment; no table of the ledger."""
