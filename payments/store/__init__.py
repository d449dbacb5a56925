"""PostgreSQL: all SQL of the project, except that of `access`, and the only function that commits."""
