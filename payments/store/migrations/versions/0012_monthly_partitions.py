"""Partition the append-only tables by month, so that a month past its retention is dropped as a whole."""

import sqlalchemy as sa
from alembic import op

from payments.store.db.advisory_locks import AdvisoryLock

revision = "0012"
down_revision = "0011"

# Each table with its partition key. Entries and allocations are not partitioned (docs/decisions/0011).
_PARTITION_KEYS = {
    "events": "saved_month",
    "history": "at",
    "audit": "at",
    "lines_was": "until",
    "set_aside_was": "until",
    "findings_was": "until",
    "charges_was": "until",
}


def upgrade() -> None:
    _partition_events()
    for table, key in _PARTITION_KEYS.items():
        if table != "events":
            _partition_table(table, key)
    _create_history_constraints()
    _create_audit_constraints()
    for table in (table for table in _PARTITION_KEYS if table.endswith("_was")):
        op.create_index(f"{table}_until", table, ["until"])
    op.execute(_MAKE_PARTITIONS_FUNCTION)
    op.execute(_DROP_PARTITIONS_FUNCTION)
    # Roles that insert may create partitions; only the owner of the tables may drop them.
    op.execute("REVOKE ALL ON FUNCTION drop_partitions(text, date) FROM PUBLIC")


def _partition_events() -> None:
    # The month of the save is unknown for earlier ids, so they are dropped. A repeat is recognized by its version.
    op.drop_table("events")
    op.execute(
        "CREATE TABLE events (event_id uuid NOT NULL, saved_month date NOT NULL, content_hash bytea NOT NULL, "
        "CONSTRAINT events_pkey PRIMARY KEY (event_id, saved_month)) PARTITION BY RANGE (saved_month)"
    )
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")


def _partition_table(table: str, key: str) -> None:
    """Replace a table by a partitioned one with the same rows.

    The rows stay in the default partition until monthly partitions are created.
    """
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_whole) PARTITION BY RANGE ({key})")
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
    op.drop_table(f"{table}_whole")


def _id_sequence(table: str) -> None:
    # A partitioned table can have an identity column only from PostgreSQL 17 on.
    op.execute(f"CREATE SEQUENCE {table}_id_seq OWNED BY {table}.id")
    op.execute(f"SELECT setval('{table}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN id SET DEFAULT nextval('{table}_id_seq')")


def _create_history_constraints() -> None:
    _id_sequence("history")
    op.create_primary_key("history_pkey", "history", ["at", "id"])
    op.create_index("history_by_line", "history", ["line_ref"])
    of_dead_letters = sa.text("set_aside_ref IS NOT NULL")
    op.create_index("history_by_set_aside", "history", ["set_aside_ref"], postgresql_where=of_dead_letters)
    of_entries_only = sa.text("line_ref IS NULL AND set_aside_ref IS NULL")
    op.create_index("history_by_entry", "history", ["entry_id"], postgresql_where=of_entries_only)


def _create_audit_constraints() -> None:
    _id_sequence("audit")
    op.create_primary_key("audit_pkey", "audit", ["id", "at"])
    op.create_index("audit_by_who", "audit", ["who", "id"])
    # FOR EACH ROW, because such a trigger also applies to statements on a partition.
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()"
    )
    op.execute(
        "CREATE TRIGGER audit_is_kept BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()"
    )


# The first call also creates a partition for all older rows. If the default partition has rows, it is replaced by an
# empty one, and its rows are inserted again, which moves them to their months.
_MAKE_PARTITIONS_FUNCTION = f"""
CREATE FUNCTION make_partitions(first date, through date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    newest date;
    missing date[];
    has_strays boolean;
    made integer := 0;
BEGIN
    IF through > first + 1000 THEN
        RAISE EXCEPTION 'no more than 1000 days at once, not % to %', first, through;
    END IF;
    PERFORM pg_advisory_xact_lock({AdvisoryLock.PARTITIONS:d});
    FOREACH parent IN ARRAY ARRAY[{", ".join(f"'{table}'" for table in _PARTITION_KEYS)}] LOOP
        SELECT max(to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM')) INTO newest FROM pg_inherits
            WHERE inhparent = parent::regclass AND inhrelid::regclass::text ~ '_\\d{{4}}_\\d{{2}}$';
        missing := ARRAY(SELECT month::date FROM generate_series(
            coalesce(newest + interval '1 month', date_trunc('month', first)), through, interval '1 month') AS month);
        CONTINUE WHEN missing = '{{}}';
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', parent || '_default') INTO has_strays;
        IF has_strays THEN
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || '_default');
            EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_default', parent || '_strays');
            EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', parent || '_default', parent);
        END IF;
        IF newest IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L)',
                parent || '_before', parent, missing[1] || ' 00:00:00+00');
        END IF;
        FOR number IN 1 .. cardinality(missing) LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(missing[number], '_YYYY_MM'), parent,
                missing[number] || ' 00:00:00+00', (missing[number] + interval '1 month')::date || ' 00:00:00+00');
            made := made + 1;
        END LOOP;
        IF has_strays THEN
            EXECUTE format('INSERT INTO %I SELECT * FROM %I', parent, parent || '_strays');
            EXECUTE format('DROP TABLE %I', parent || '_strays');
        END IF;
    END LOOP;
    RETURN made;
END $$
"""

# If a month is dropped, the partition for older rows is dropped too.
_DROP_PARTITIONS_FUNCTION = f"""
CREATE FUNCTION drop_partitions(parent text, kept_from date) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    part text;
    oldest date;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock({AdvisoryLock.PARTITIONS:d});
    FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = parent::regclass AND inhrelid::regclass::text ~ '_\\d{{4}}_\\d{{2}}$'
            AND to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM') < date_trunc('month', kept_from) ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    SELECT min(to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM')) INTO oldest FROM pg_inherits
        WHERE inhparent = parent::regclass AND inhrelid::regclass::text ~ '_\\d{{4}}_\\d{{2}}$';
    IF dropped > 0 AND oldest IS NOT NULL THEN
        EXECUTE format('DROP TABLE %I', parent || '_before');
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L)',
            parent || '_before', parent, oldest || ' 00:00:00+00');
    END IF;
    RETURN dropped;
END $$
"""
