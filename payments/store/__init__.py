"""PostgreSQL: the only SQL of the project and the only commit."""
