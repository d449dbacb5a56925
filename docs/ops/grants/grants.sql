-- The rights of `payments_app`, the role of all services: no DDL, and only INSERT into append-only tables.
--
-- Run it with psql as the owner of the tables, after every workers.migrate. The password is in the environment:
--
--   APP_DB_PASSWORD=... psql --no-psqlrc --set ON_ERROR_STOP=1 --file grants.sql DATABASE_URL
--
-- docker-compose.yml and docs/ops/kubernetes run this file. tests/ops/test_grants.py checks the rights that it grants.
\getenv password APP_DB_PASSWORD
SELECT 'CREATE ROLE payments_app LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'payments_app') \gexec
ALTER ROLE payments_app PASSWORD :'password';

-- Imports use COPY, which row-level security refuses. The console gives up this attribute in each transaction. Only a
-- role that has the attribute may grant it; without it, imports use INSERT, which is slower.
SELECT 'ALTER ROLE payments_app BYPASSRLS'
  FROM pg_roles AS app, pg_roles AS owner
 WHERE app.rolname = 'payments_app' AND owner.rolname = current_user
   AND NOT app.rolbypassrls AND (owner.rolsuper OR owner.rolbypassrls) \gexec
-- Before PostgreSQL 16 a membership has no options.
SELECT current_setting('server_version_num')::int >= 160000 AS has_options \gset
\if :has_options
GRANT payments_console TO payments_app WITH INHERIT FALSE, SET TRUE;
\else
GRANT payments_console TO payments_app;
\endif

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO payments_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO payments_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO payments_app;
REVOKE UPDATE, DELETE ON entries, manual_entries, transfers, allocations, history, audit, notes FROM payments_app;
REVOKE UPDATE, DELETE ON drawer_lines, drawer_counts, deposits, deposit_items FROM payments_app;
REVOKE UPDATE, DELETE ON lines_was, set_aside_was, findings_was, charges_was FROM payments_app;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM payments_app;
-- Partitions are accessed through the partitioned table and its grants only.
SELECT format('REVOKE ALL ON %s FROM payments_app', oid::regclass) FROM pg_class WHERE relispartition AND relkind = 'r' \gexec
