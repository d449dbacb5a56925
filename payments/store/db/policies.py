"""The policies of row-level security, and the detection of policies that differ from their definition.

Each table has two policies. `everyone` is permissive for all roles, so that workers, commands and processes of earlier
releases see all rows. `companies` is restrictive and applies to CONSOLE_ROLE alone. Neither policy applies to the owner
of the tables and to roles with BYPASSRLS.

PostgreSQL stores expressions in its own form, which depends on its release and cannot be compared with the text here.
So each policy has a comment with POLICY_VERSION and a fingerprint of the stored form.
"""

CONSOLE_ROLE = "payments_console"
COMPANIES, USERS = "payments.companies", "payments.users"
"""The settings of a transaction that the policies read. `*` means all companies or users, an empty text means none."""
UNLIMITED = "*"
RESTRICTED_TABLES = ("sessions", "uploaded_logs", "users")
"""Tables that have policies although they have no column `company_id`. All tables with this column have policies."""
POLICY_VERSION = 1
"""The version of the policies. Increase it when a policy changes, so that `workers.migrate` replaces the policies."""

# A subquery is evaluated once in a statement, and not for each row. A member of CONSOLE_ROLE that inherits its rights
# (before PostgreSQL 16 every member does) is subject to its policies, but sees everything until it becomes the role.
_IS_UNLIMITED = f"current_setting('{COMPANIES}', true) = '{UNLIMITED}' OR current_user <> '{CONSOLE_ROLE}'"
_SEES_ALL = f"(SELECT {_IS_UNLIMITED})"
_COMPANY_ARRAY = f"nullif(nullif(current_setting('{COMPANIES}', true), '{UNLIMITED}'), '')::text[]"
_COMPANIES_OF_TRANSACTION = f"(SELECT {_COMPANY_ARRAY})::text[]"
_SEES_ALL_USERS = f"(SELECT {_IS_UNLIMITED} OR current_setting('{USERS}', true) = '{UNLIMITED}')"
_SEES_SOME = f"(SELECT cardinality({_COMPANY_ARRAY}) > 0)"
_IS_OWN_COMPANY = f"company_id = ANY ({_COMPANIES_OF_TRANSACTION})"

_IS_VISIBLE_COMPANY = f"{_SEES_ALL} OR {_IS_OWN_COMPANY}"
_VISIBLE_CONDITIONS = {
    # An attempt at a stream entry that failed before its company could be read. It holds no data of the event.
    "history": (
        f"{_IS_VISIBLE_COMPANY} OR {_SEES_SOME} AND company_id IS NULL AND line_ref IS NULL AND set_aside_ref IS NULL"
    ),
    # The entry of a user's action belongs to the user's companies, even if the entry names none. `users` has a
    # policy of its own.
    "audit": (
        f"{_SEES_ALL} OR {_SEES_SOME} AND (company_id IS NULL OR {_IS_OWN_COMPANY}) "
        "AND EXISTS (SELECT FROM users WHERE 'user:' || users.name = audit.who)"
    ),
    # The filter of a run has the companies from which it selects; without them it selects from all. An empty list is
    # part of every list, so a run or a user without a company is visible only to those who see everything.
    "requeue_runs": (
        f"{_SEES_ALL} OR choice -> 'companies' <> '[]' AND choice -> 'companies' <@ (SELECT to_jsonb({_COMPANY_ARRAY}))"
    ),
    "users": f"{_SEES_ALL_USERS} OR cardinality(companies) > 0 AND companies <@ {_COMPANIES_OF_TRANSACTION}",
    "sessions": f"{_SEES_ALL_USERS} OR EXISTS (SELECT FROM users WHERE users.name = sessions.user_name)",
    "uploaded_logs": (
        f"{_SEES_ALL} OR {_SEES_SOME} AND EXISTS (SELECT FROM users WHERE users.name = uploaded_logs.user_name)"
    ),
}
"""The condition of the visible rows, by table. In all other tables, the rows of the visible companies are visible."""
_WRITABLE_CONDITIONS = {"audit": f"{_SEES_ALL} OR company_id IS NULL OR {_IS_OWN_COMPANY}"}
"""The condition of the rows that may be written, by table. In all other tables, visible rows may be written."""

_POLICY_FINGERPRINT = """
encode(sha256(convert_to(concat_ws(' ', polname, polpermissive, polcmd, CAST(CAST(polroles AS regrole[]) AS text),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), 'UTF8')), 'hex')
"""
_POLICY_COMMENT = "obj_description(pg_policy.oid, 'pg_policy')"
_VERSION_OF_COMMENT = f"substring({_POLICY_COMMENT} FROM '^payments policy ([0-9]{{1,9}}) ')"
IS_INTACT = f"""
(CAST({_VERSION_OF_COMMENT} AS integer) >= {POLICY_VERSION}
    AND {_POLICY_COMMENT} = concat('payments policy ', {_VERSION_OF_COMMENT}, ' ', {_POLICY_FINGERPRINT}))
"""
"""The condition on a row of `pg_policy`: the policy was created by this or a later release, and is unchanged since.

A later release replaces the policies while processes of this release still run. These processes accept the later
version.
"""


def policies(table: str) -> dict[str, str]:
    """Return the definitions of a table's policies, by name.

    A definition is the text after the name in CREATE POLICY.
    """
    visible = _VISIBLE_CONDITIONS.get(table, _IS_VISIBLE_COMPANY)
    writable = _WRITABLE_CONDITIONS.get(table, visible)
    # The planner assumes that IS NOT NULL is true for nearly all rows, so its row estimates depend on the conditions of
    # the query only. Without this form, each policy would halve the estimate.
    visible = f"nullif({visible}, false) IS NOT NULL"
    return {
        "everyone": f"ON {table} USING (true) WITH CHECK (true)",
        "companies": f"ON {table} AS RESTRICTIVE TO {CONSOLE_ROLE} USING ({visible}) WITH CHECK ({writable})",
    }


def replacement(table: str, policy: str) -> list[str]:
    """Return the statements that create a policy with its comment. They replace a policy of the same name."""
    comment = f"""
    DO $$ BEGIN
        EXECUTE (SELECT format('COMMENT ON POLICY {policy} ON {table} IS %L',
            concat('payments policy {POLICY_VERSION} ', {_POLICY_FINGERPRINT}))
            FROM pg_policy WHERE polrelid = '{table}'::regclass AND polname = '{policy}');
    END $$
    """
    return [
        f"DROP POLICY IF EXISTS {policy} ON {table}",
        f"CREATE POLICY {policy} {policies(table)[policy]}",
        comment,
    ]
