"""Every table of company data moves with its company. The code lists each table that stays, with the reason."""

import pytest
from sqlalchemy import BigInteger

from payments.store.moving.moved_tables import MOVED_TABLES, STAYING_TABLES, id_columns
from payments.store.tables import lines, metadata
from tests.store.test_tenant_keys import INSTALLATION_TABLES

# Numbers that count something else than rows of a table.
BIGINT_COLUMNS_WITHOUT_IDS = {"version"}


def test_every_table_is_either_moved_or_listed_as_staying() -> None:
    assert MOVED_TABLES.keys() | STAYING_TABLES.keys() == metadata.tables.keys()
    assert not MOVED_TABLES.keys() & STAYING_TABLES.keys()


def test_every_table_with_a_company_moves_unless_it_is_about_work_of_the_installation() -> None:
    with_company = {name for name, table in metadata.tables.items() if "company_id" in table.columns}

    assert with_company - MOVED_TABLES.keys() <= {
        *INSTALLATION_TABLES,
        "postponed_work",
        "saved_views",
        "daily_queues",
        "nightly_results",
        "requeue_items",
    }


@pytest.mark.parametrize("name", MOVED_TABLES)
def test_every_bigint_column_of_a_moved_table_is_classified_as_id_or_not(name: str) -> None:
    table = MOVED_TABLES[name]
    numbers = {column.name for column in table.columns if isinstance(column.type, BigInteger)}

    assert numbers - BIGINT_COLUMNS_WITHOUT_IDS == id_columns(table).keys()


def test_tables_are_imported_after_those_to_which_they_refer_and_months_last() -> None:
    order = list(MOVED_TABLES)
    references = [(order.index(key.column.table.name), order.index(name))
                  for name, table in MOVED_TABLES.items() for key in table.foreign_keys]  # fmt: skip

    assert references
    assert all(target < own for target, own in references)
    assert order[-1] == "company_months"
    assert id_columns(metadata.tables["lines_was"])["id"] == lines.name
