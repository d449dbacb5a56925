"""Create the indexes and constraints that `company_keys.py` declares, while services use the database.

Each function does one short step and skips what already exists.
"""

from collections.abc import Iterator

from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.migrations.company_keys import (
    DROPPED_CONSTRAINTS,
    DROPPED_INDEXES,
    DROPPED_TRIGGERS,
    FOREIGN_KEYS,
    INDEXES,
    LATER_CHECKS,
    LATER_FOREIGN_KEYS,
    NOT_NULL_TABLES,
    PRIMARY_KEY_INDEXES,
    ForeignKey,
    KeyIndex,
)

_COMPANY_CHECK_NAME = "company_is_known"
_IS_COMPANY_FIRST_QUERY = """
SELECT EXISTS (
    SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = CAST(:table AS regclass) AND indisprimary AND attname = 'company_id')
"""
_IS_INDEX_VALID_QUERY = """
SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = :name AND relnamespace = current_schema()::regnamespace
"""
_PARTITIONS_WITHOUT_INDEX_QUERY = """
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass) AND NOT EXISTS (
    SELECT FROM pg_index JOIN pg_inherits AS attached ON attached.inhrelid = indexrelid
    WHERE indrelid = pg_inherits.inhrelid AND attached.inhparent = CAST(:index AS regclass))
ORDER BY 1
"""
_EARLIER_SESSIONS_QUERY = """
SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'payments %' AND application_name NOT LIKE '%' || :generation ORDER BY 1
"""


def missing_indexes(tx: Transaction) -> list[KeyIndex]:
    """Return the indexes that do not exist or are not complete."""
    return [
        index for index in INDEXES if not _is_primary_key(tx, index) and not _exists_and_is_complete(tx, index.name)
    ]


def index_steps(tx: Transaction, index: KeyIndex) -> Iterator[str]:
    """Yield the statements that create an index while other sessions read and write its table.

    Execute each statement outside a transaction, before you take the next one from the iterator. If an interrupted run
    left the index incomplete, it is dropped first.
    """
    if not _is_partitioned(tx, index.table):
        yield from _creation_steps(tx, index.name, index.create_statement(concurrently=True))
        return
    if _is_index_complete(tx, index.name) is None:
        yield index.creation_on_parent()
    for partition in _read_names(tx, _PARTITIONS_WITHOUT_INDEX_QUERY, table=index.table, index=index.name):
        name = index.name_on(partition)
        yield from _creation_steps(tx, name, index.creation_on_partition(partition))
        yield f"ALTER INDEX {index.name} ATTACH PARTITION {name}"


def missing_constraints(tx: Transaction) -> list[str]:
    """Return the statements that add and validate foreign keys and checks. Execute each in a separate transaction."""
    is_finished = _is_company_first(tx, "findings")
    keys = LATER_FOREIGN_KEYS if is_finished else FOREIGN_KEYS + LATER_FOREIGN_KEYS
    unchecked = [] if is_finished else [leaf for name in NOT_NULL_TABLES for leaf in _leaf_tables(tx, name)]
    return [
        statement
        for table, name, definition in (
            *((key.table, key.name, _foreign_key_definition(key)) for key in keys),
            *((table, _COMPANY_CHECK_NAME, "CHECK (company_id IS NOT NULL)") for table in unchecked),
            *LATER_CHECKS,
        )
        for statement in _constraint_steps(tx, table, name, definition)
    ]


def earlier_sessions(tx: Transaction, generation: str) -> list[str]:
    """Return the application names of sessions of earlier releases. Their names do not end in `generation`."""
    return _read_names(tx, _EARLIER_SESSIONS_QUERY, generation=generation)


def drop_steps(tx: Transaction) -> list[list[str]]:
    """Return the statements that drop the earlier keys, as one list per transaction.

    Each transaction locks its tables exclusively for a moment.
    """
    steps = [
        ["DROP TABLE IF EXISTS clinic_settings", "DROP FUNCTION IF EXISTS copy_settings_changes CASCADE"],
        ["DROP FUNCTION IF EXISTS copy_clinic_settings"],
    ]
    for table, trigger in DROPPED_TRIGGERS.items():
        function = f"fill_company_of_{table}"
        steps.append([f"DROP TRIGGER IF EXISTS {trigger} ON {table}", f"DROP FUNCTION IF EXISTS {function}"])
    for table in NOT_NULL_TABLES:
        checks = [
            f"ALTER TABLE {leaf} DROP CONSTRAINT IF EXISTS {_COMPANY_CHECK_NAME}" for leaf in _leaf_tables(tx, table)
        ]
        steps.append([f"ALTER TABLE {table} ALTER company_id SET NOT NULL", *checks])
    for table, constraints in DROPPED_CONSTRAINTS.items():
        steps += [[f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"] for name in constraints]
    for table, index in PRIMARY_KEY_INDEXES.items():
        if not _is_company_first(tx, table):
            name = f"{table}_pkey"
            added = f"ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {index}"
            steps.append([f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}", added])
    return [*steps, *([f"DROP INDEX IF EXISTS {name}"] for name in DROPPED_INDEXES)]


def apply_to_new_database(tx: Transaction) -> None:
    """Create the final keys of a new, empty database, in this transaction."""
    for index in missing_indexes(tx):
        tx.execute(text(index.create_statement()))
    for statement in missing_constraints(tx):
        tx.execute(text(statement))
    for statements in drop_steps(tx):
        for statement in statements:
            tx.execute(text(statement))


def _creation_steps(tx: Transaction, name: str, creation: str) -> Iterator[str]:
    state = _is_index_complete(tx, name)
    if state is False:
        yield f"DROP INDEX CONCURRENTLY {name}"
    if not state:
        yield creation


def _constraint_steps(tx: Transaction, table: str, name: str, definition: str) -> Iterator[str]:
    query = "SELECT convalidated FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND conname = :name"
    is_valid = tx.execute(text(query), {"table": table, "name": name}).scalar_one_or_none()
    if is_valid is None:
        yield f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID"
    if not is_valid:
        yield f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"


def _foreign_key_definition(key: ForeignKey) -> str:
    return f"FOREIGN KEY ({key.columns}) REFERENCES {key.target}"


def _is_primary_key(tx: Transaction, index: KeyIndex) -> bool:
    """Return whether the index has already become its table's primary key.

    It then no longer exists under its own name, because PostgreSQL renames it to `<table>_pkey`.
    """
    return PRIMARY_KEY_INDEXES.get(index.table) == index.name and _is_company_first(tx, index.table)


def _is_company_first(tx: Transaction, table: str) -> bool:
    return bool(tx.execute(text(_IS_COMPANY_FIRST_QUERY), {"table": table}).scalar_one())


def _exists_and_is_complete(tx: Transaction, name: str) -> bool:
    return bool(_is_index_complete(tx, name))


def _is_index_complete(tx: Transaction, name: str) -> bool | None:
    """Return whether an index is complete, or None if it does not exist."""
    state: bool | None = tx.execute(text(_IS_INDEX_VALID_QUERY), {"name": name}).scalar_one_or_none()
    return state


def _leaf_tables(tx: Transaction, table: str) -> list[str]:
    """Return the partitions of a table. If it is not partitioned, return the table itself."""
    found = _read_names(
        tx, "SELECT relid::text FROM pg_partition_tree(CAST(:table AS regclass)) WHERE isleaf", table=table
    )
    return found or [table]


def _is_partitioned(tx: Transaction, table: str) -> bool:
    query = "SELECT relkind = 'p' FROM pg_class WHERE oid = CAST(:table AS regclass)"
    return bool(tx.execute(text(query), {"table": table}).scalar_one())


def _read_names(tx: Transaction, query: str, **parameters: str) -> list[str]:
    return list(tx.execute(text(query), parameters).scalars())
