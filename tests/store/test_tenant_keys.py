"""Every key and index of company data begins with the company. Exceptions are listed with the reason."""

import pytest
from sqlalchemy import text

INSTALLATION_TABLES = {
    "alembic_version": "the version of the schema",
    "audit": "the record of the installation: logging in and adding a user concern no company",
    "backfills": "the progress of a migration",
    "companies": "the companies themselves; the key is the company",
    "import_tasks": "an import may have payments of several companies; it holds nothing of them",
    "job_runs": "jobs that run for all companies together; a run records the last company that it is done with",
    "login_failures": "counts names and addresses before anybody is known",
    "requeue_runs": "a run may select payments of several companies",
    "sessions": "a session belongs to a user",
    "uploaded_logs": "a file of a user, which names no company",
    "users": "a user may belong to several companies",
}
CROSS_COMPANY_INDEXES = {
    "charges_was_until": "reports as of a moment read all companies that the user may see",
    "entries_by_day": "the Payment Log of all companies, by deposit date",
    "entries_by_deposit_date": "the Payment Log of chosen clinics, by deposit date",
    "findings_by_id": "an exception is addressed by its number; the list of all companies is in this order",
    "findings_was_until": "reports as of a moment",
    "history_by_entry": "an attempt at an event that could not be read yet: its company is unknown",
    "history_by_time": "the overview and the metrics of all companies",
    "lines_by_clinic": "the Claims Feed of chosen clinics",
    "lines_by_day": "balancing of all companies",
    "lines_by_id": "sweeps and requeue runs of all companies",
    "lines_by_save": "the Claims Feed of all companies",
    "lines_excepted": "the sweep that detects exceptions",
    "lines_not_through": "the overview of all companies",
    "lines_not_posted": "the Claims Feed and the overview of all companies, without what is in Billing",
    "lines_was_until": "reports as of a moment",
    "requeue_items_by_run": "a requeue run may select payments of several companies",
    "patients_by_term": "each term begins with the company",
    "set_aside_by_id": "a dead letter is addressed by its number",
    "set_aside_by_key": "a printed key names no company",
    "set_aside_newest": "the Claims Feed of all companies",
    "set_aside_was_until": "reports as of a moment",
}

TABLES_QUERY = """
SELECT relname::text, EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'company_id')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
INDEXES_QUERY = """
SELECT owner.relname::text, index.relname::text, indisunique, indisvalid, coalesce(attname = 'company_id', false)
FROM pg_index JOIN pg_class AS owner ON owner.oid = indrelid JOIN pg_class AS index ON index.oid = indexrelid
    LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
WHERE owner.relnamespace = 'public'::regnamespace AND NOT owner.relispartition
"""
FOREIGN_KEYS_QUERY = """
SELECT conrelid::regclass::text, conname::text, convalidated, own.attname = 'company_id', other.attname = 'company_id'
FROM pg_constraint JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
    JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = confkey[1]
WHERE contype = 'f' AND conparentid = 0
"""


@pytest.fixture
def read_catalog(tx):
    def read(query):
        return [row for row in tx.execute(text(query)) if row[0] not in INSTALLATION_TABLES]

    return read


def test_every_table_of_company_data_has_the_company(read_catalog):
    assert [table for table, has_company in read_catalog(TABLES_QUERY) if not has_company] == []


def test_every_key_begins_with_the_company(read_catalog):
    keys = [row for row in read_catalog(INDEXES_QUERY) if row.indisunique]

    assert len(keys) > len(read_catalog(TABLES_QUERY)) - 5  # the history and the tables of row versions have none
    assert [name for _, name, _, valid, first in keys if not (valid and first)] == []


def test_every_foreign_key_begins_with_the_company(read_catalog):
    keys = read_catalog(FOREIGN_KEYS_QUERY)

    assert len(keys) == 23
    assert [name for _, name, valid, own, other in keys if not (valid and own and other)] == []


def test_every_index_begins_with_the_company_or_is_listed(read_catalog):
    others = {name for _, name, unique, _, first in read_catalog(INDEXES_QUERY) if not (unique or first)}

    assert others == set(CROSS_COMPANY_INDEXES)


def test_every_listed_table_exists(tx):
    assert set(INSTALLATION_TABLES) <= {name for name, _ in tx.execute(text(TABLES_QUERY))}
