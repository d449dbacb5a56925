"""Row-level security: the role of the console, its rights, and the policies of all tables of company data.

`workers.migrate` runs these steps on every start, not once like a numbered migration. Roles belong to the whole
PostgreSQL cluster, so a database that was restored elsewhere may lack them. Each step skips what already exists.

`payments/store/db/policies.py` defines the policies. A policy that differs from its definition is replaced.
"""

from collections.abc import Iterator

from payments.store.db.connection import SESSION_NAME_SUFFIX, Transaction, UnsuitableDatabaseError
from payments.store.db.isolation import grant_statement
from payments.store.db.policies import CONSOLE_ROLE, IS_INTACT, RESTRICTED_TABLES, policies, replacement
from payments.store.db.statement import text
from payments.store.migrations.online import earlier_sessions

_READ_RIGHTS, _ADD_RIGHTS, _CHANGE_RIGHTS, _REMOVE_RIGHTS = (
    "SELECT",
    "SELECT, INSERT",
    "SELECT, INSERT, UPDATE",
    "SELECT, INSERT, UPDATE, DELETE",
)
_RIGHTS_BY_TABLE = {
    **dict.fromkeys(("alembic_version", "postponed_work"), _READ_RIGHTS),
    **dict.fromkeys(("daily_queues", "nightly_results", "import_tasks", "requeue_items"), _READ_RIGHTS),
    **dict.fromkeys(("allocations", "audit", "entries", "history", "manual_entries", "transfers"), _ADD_RIGHTS),
    **dict.fromkeys(("notes", "settings_changes", "drawer_lines", "drawer_counts"), _ADD_RIGHTS),
    **dict.fromkeys(("deposits", "deposit_items"), _ADD_RIGHTS),
    **dict.fromkeys(("lines_was", "set_aside_was", "findings_was", "charges_was", "account_marks"), _ADD_RIGHTS),
    **dict.fromkeys(("companies", "clinics", "company_months", "lines", "set_aside", "findings"), _CHANGE_RIGHTS),
    **dict.fromkeys(
        ("patients", "charges", "entry_links", "drawers", "repayments", "requeue_runs", "users"), _CHANGE_RIGHTS
    ),
    **dict.fromkeys(("sessions", "uploaded_logs", "login_failures", "saved_views"), _REMOVE_RIGHTS),
}
"""The rights of CONSOLE_ROLE. It has none on other tables and on partitions, no DELETE of payments, and no DDL."""
_WITHDRAWN_TABLES = ("job_runs",)
"""The tables on which CONSOLE_ROLE had rights in earlier releases, but has none now. They have no policy."""
_SEQUENCE_NAMES = ("history_id_seq", "audit_id_seq")

# Another database of the cluster may create the role at the same time.
_CREATE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{CONSOLE_ROLE}') THEN
        CREATE ROLE {CONSOLE_ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$
"""
_ROLE_STATE_QUERY = f"""
SELECT current_user, current_setting('server_version_num')::integer AS server_version,
    EXISTS (SELECT FROM pg_roles WHERE rolname = '{CONSOLE_ROLE}') AS has_role,
    has_schema_privilege('public', 'CREATE') AS may_migrate
"""
_IS_MEMBER_QUERY = f"SELECT pg_has_role(current_user, '{CONSOLE_ROLE}', :kind)"
_POLICIES_BY_TABLE_QUERY = f"""
SELECT relname::text AS name, relrowsecurity AS is_enabled,
    ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = pg_class.oid AND {IS_INTACT}) AS intact
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND (relname IN {RESTRICTED_TABLES} OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'company_id' AND NOT attisdropped))
ORDER BY relname
"""
_LACKS_RIGHTS_QUERY = f"""
SELECT NOT bool_and(has_table_privilege('{CONSOLE_ROLE}', CAST(:table AS regclass), kind))
FROM unnest(CAST(:kinds AS text[])) AS kind
"""
_EXCESSIVE_RIGHTS_QUERY = f"""
SELECT name FROM unnest(CAST(:tables AS text[])) AS name
WHERE has_table_privilege('{CONSOLE_ROLE}', name, 'SELECT, INSERT, UPDATE, DELETE')
"""
_LACKS_SEQUENCE_QUERY = f"SELECT NOT has_sequence_privilege('{CONSOLE_ROLE}', CAST(:table AS regclass), 'USAGE')"
_LACKS_SCHEMA_QUERY = f"SELECT NOT has_schema_privilege('{CONSOLE_ROLE}', 'public', 'USAGE')"
# Roles that import, and that row-level security would keep from using COPY.
_IMPORTERS_WITHOUT_COPY_QUERY = f"""
SELECT DISTINCT rolname::text FROM pg_class, aclexplode(relacl) AS acl JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE relname = 'entries' AND relnamespace = 'public'::regnamespace AND privilege_type = 'INSERT'
    AND rolname <> '{CONSOLE_ROLE}' AND NOT (rolsuper OR rolbypassrls OR pg_has_role(pg_roles.oid, relowner, 'USAGE'))
ORDER BY 1
"""


def prepare_roles(tx: Transaction) -> list[str]:
    """Create CONSOLE_ROLE, let the current user become it, and give BYPASSRLS to the other roles that import.

    Returns the importing roles that did not get BYPASSRLS. They insert rows more slowly, because PostgreSQL refuses
    COPY to a role that is subject to row-level security.

    Raises UnsuitableDatabaseError, with the statements for an administrator, if the current user may not create the
    role or become it. Also raises it if an importing role has no BYPASSRLS while processes of an earlier release run,
    because these need COPY.
    """
    tx.execute(text(_CREATE_ROLE))
    user, version, has_role, may_migrate = tx.execute(text(_ROLE_STATE_QUERY)).one()
    if not may_migrate:
        return []  # the migrations fail, and their message says why
    if not has_role:
        raise UnsuitableDatabaseError(
            f"role {user} may not create roles; as an administrator run: CREATE ROLE {CONSOLE_ROLE} NOLOGIN; "
            f"{grant_statement(user, version)}"
        )
    kind = "SET" if version >= 16_00_00 else "MEMBER"
    if not tx.execute(text(_IS_MEMBER_QUERY), {"kind": kind}).scalar_one():
        _run_if_permitted(tx, grant_statement(_quoted(tx, user), version))
        if not tx.execute(text(_IS_MEMBER_QUERY), {"kind": kind}).scalar_one():
            raise UnsuitableDatabaseError(
                f"role {user} may not become {CONSOLE_ROLE}; as an administrator run: {grant_statement(user, version)}"
            )
    return _let_importers_copy(tx)


def missing_steps(tx: Transaction) -> Iterator[list[str]]:
    """Yield the missing statements: the rights and the policies of one table, as one list per transaction.

    Rights that an earlier release granted and that are not needed are revoked. A policy that differs from its
    definition is replaced within one transaction, so no other session sees the table without it. Each transaction locks
    one table exclusively for a moment. Call `prepare_roles` first.
    """
    tables = {name: (is_enabled, intact) for name, is_enabled, intact in tx.execute(text(_POLICIES_BY_TABLE_QUERY))}
    for name, (is_enabled, intact) in tables.items():
        steps = [each for policy in policies(name) if policy not in intact for each in replacement(name, policy)]
        # Rights and policies come into force together: CONSOLE_ROLE never reads a table without its policy.
        steps += [] if is_enabled else [f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"]
        if steps := [*steps, *_missing_rights(tx, name)]:
            yield steps
    if tx.execute(text(_LACKS_SCHEMA_QUERY)).scalar_one():
        yield [f"GRANT USAGE ON SCHEMA public TO {CONSOLE_ROLE}"]
    undue = tx.execute(text(_EXCESSIVE_RIGHTS_QUERY), {"tables": list(_WITHDRAWN_TABLES)}).scalars()
    if steps := [f"REVOKE ALL ON {name} FROM {CONSOLE_ROLE}" for name in undue]:
        yield steps
    others = [*(name for name in _RIGHTS_BY_TABLE if name not in tables), *_SEQUENCE_NAMES]
    if steps := [statement for name in others for statement in _missing_rights(tx, name)]:
        yield steps


def apply_to_new_database(tx: Transaction) -> None:
    """Create the role and the policies of a new, empty database in this transaction.

    Raises UnsuitableDatabaseError as `prepare_roles` does.
    """
    prepare_roles(tx)
    for statements in missing_steps(tx):
        for statement in statements:
            tx.execute(text(statement))


def _missing_rights(tx: Transaction, name: str) -> Iterator[str]:
    if name in _SEQUENCE_NAMES:
        if tx.execute(text(_LACKS_SEQUENCE_QUERY), {"table": name}).scalar_one():
            yield f"GRANT USAGE ON SEQUENCE {name} TO {CONSOLE_ROLE}"
    elif (rights := _RIGHTS_BY_TABLE.get(name)) and tx.execute(
        text(_LACKS_RIGHTS_QUERY), {"table": name, "kinds": rights.split(", ")}
    ).scalar_one():
        yield f"GRANT {rights} ON {name} TO {CONSOLE_ROLE}"


def _let_importers_copy(tx: Transaction) -> list[str]:
    for role in _importers_without_copy(tx):
        _run_if_permitted(tx, f"ALTER ROLE {_quoted(tx, role)} BYPASSRLS")
    left = _importers_without_copy(tx)
    if left and (sessions := earlier_sessions(tx, SESSION_NAME_SUFFIX)):
        raise UnsuitableDatabaseError(
            f"row-level security would keep processes of an earlier release from importing: {', '.join(sessions)}. As "
            f"an administrator run: ALTER ROLE {left[0]} BYPASSRLS; or stop these processes first"
        )
    return left


def _importers_without_copy(tx: Transaction) -> list[str]:
    return list(tx.execute(text(_IMPORTERS_WITHOUT_COPY_QUERY)).scalars())


def _run_if_permitted(tx: Transaction, statement: str) -> None:
    """Run a statement. Ignore the error if the user lacks the right, or if another session has run it meanwhile."""
    expected = "insufficient_privilege OR unique_violation"
    tx.execute(text(f"DO $$ BEGIN {statement}; EXCEPTION WHEN {expected} THEN NULL; END $$"))


def _quoted(tx: Transaction, name: str) -> str:
    return str(tx.execute(text("SELECT quote_ident(:name)"), {"name": name}).scalar_one())
