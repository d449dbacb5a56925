"""Create and drop the partitions of one table at a time, with short waits for locks."""

from alembic import op

from payments.store.db.advisory_locks import AdvisoryLock

revision = "0017"
down_revision = "0016"

_TABLE_LIST = "'events', 'history', 'audit', 'lines_was', 'set_aside_was', 'findings_was', 'charges_was'"
# Shorter than deadlock_timeout (1 s), so that a session which waits for this one is not the one to fail.
_LOCK_TIMEOUT = "500ms"


def upgrade() -> None:
    op.execute(_MAKE_PARTITIONS_OF_FUNCTION)
    op.execute(_MAKE_PARTITIONS_FUNCTION)
    op.execute(_DROP_PARTITIONS_FUNCTION)


# ATTACH PARTITION lets others read and write the table. It locks the default partition exclusively to check that it has
# no row of the month. If it has such rows, which are rare, the default partition is replaced by an empty one and its
# rows are inserted again, which moves them to their months; this locks the whole table.
_MAKE_PARTITIONS_OF_FUNCTION = f"""
CREATE FUNCTION make_partitions_of(parent text, first date, through date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '{_LOCK_TIMEOUT}' AS $$
DECLARE
    newest date;
    missing date[];
    key name;
    part text;
    past date;  -- the first day after the missing months
    has_strays boolean;
BEGIN
    IF parent <> ALL (ARRAY[{_TABLE_LIST}]) THEN
        RAISE EXCEPTION 'table % is not partitioned by month', parent;
    END IF;
    IF through > first + 1000 THEN
        RAISE EXCEPTION 'no more than 1000 days at once, not % to %', first, through;
    END IF;
    PERFORM pg_advisory_xact_lock({AdvisoryLock.PARTITIONS:d});
    SELECT max(to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM')) INTO newest FROM pg_inherits
        WHERE inhparent = parent::regclass AND inhrelid::regclass::text ~ '_\\d{{4}}_\\d{{2}}$';
    missing := ARRAY(SELECT month::date FROM generate_series(
        coalesce(newest + interval '1 month', date_trunc('month', first)), through, interval '1 month') AS month);
    IF missing = '{{}}' THEN
        RETURN 0;
    END IF;
    past := missing[cardinality(missing)] + interval '1 month';
    SELECT attname INTO key
        FROM pg_partitioned_table JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
        WHERE partrelid = parent::regclass;
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_default');
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I < %L)', parent || '_default', key, past || ' 00:00:00+00')
        INTO has_strays;
    IF has_strays THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || '_default');
        EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_default', parent || '_strays');
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', parent || '_default', parent);
    END IF;
    IF newest IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS)', parent || '_before', parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
            parent, parent || '_before', missing[1] || ' 00:00:00+00');
    END IF;
    FOR number IN 1 .. cardinality(missing) LOOP
        part := parent || to_char(missing[number], '_YYYY_MM');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS)', part, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part,
            missing[number] || ' 00:00:00+00', (missing[number] + interval '1 month')::date || ' 00:00:00+00');
    END LOOP;
    IF has_strays THEN
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', parent, parent || '_strays');
        EXECUTE format('DROP TABLE %I', parent || '_strays');
    END IF;
    RETURN cardinality(missing);
END $$
"""

# For processes of the previous release, which call it for all tables in one transaction.
_MAKE_PARTITIONS_FUNCTION = f"""
CREATE OR REPLACE FUNCTION make_partitions(first date, through date) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT sum(make_partitions_of(parent, first, through))::integer FROM unnest(ARRAY[{_TABLE_LIST}]) AS parent
$$
"""

# If a month is dropped, the partition for older rows is dropped too.
_DROP_PARTITIONS_FUNCTION = f"""
CREATE OR REPLACE FUNCTION drop_partitions(parent text, kept_from date) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET lock_timeout = '{_LOCK_TIMEOUT}' AS $$
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
