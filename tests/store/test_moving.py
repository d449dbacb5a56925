"""Moving a company: reserve row ids while sessions use new ids, refuse hidden rows, and wait for earlier writers."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.core.company_move import IdRange
from payments.store.db.connection import connect, is_transient, transaction
from payments.store.ledger import company_moves
from payments.store.moving import copying, row_ids
from tests.builders.every_row import add_company_with_every_row
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

NEXT_ID_QUERY = text("SELECT nextval('lines_id_seq')")


@pytest.fixture
def database(postgres_url, ledger_template):
    with scratch_database(postgres_url, ledger_template) as url:
        engine = connect(url, application_name="tests", pool_size=6)
        yield engine
        engine.dispose()


def reserve_ids(database, ids):
    while True:
        try:
            with transaction(database) as tx:
                return row_ids.reserve(tx, "lines", ids)
        except DBAPIError as error:
            if not is_transient(error):
                raise


def draw_ids_until(database, ended):
    drawn = []
    while not ended.is_set():
        with transaction(database) as tx:
            drawn += [tx.execute(NEXT_ID_QUERY).scalar_one() for _ in range(20)]
    return drawn


def test_reserved_ids_are_not_issued_again(database):
    ended, ids = threading.Event(), IdRange(3, 1_002)
    with ThreadPoolExecutor() as pool:
        drawing = [pool.submit(draw_ids_until, database, ended) for _ in range(2)]
        reserving = [pool.submit(lambda: [reserve_ids(database, ids) for _ in range(20)]) for _ in range(2)]
        shifts = [shift for each in reserving for shift in each.result()]
        ended.set()
    drawn = [id_ for each in drawing for id_ in each.result()]

    reserved = [id_ for shift in shifts for id_ in range(ids.first + shift, ids.last + shift + 1)]
    assert len(drawn) > 20
    assert len({*reserved, *drawn}) == len(reserved) + len(drawn)


def test_ids_above_the_sequence_are_unchanged(database):
    assert reserve_ids(database, IdRange(1, 10)) == 0
    assert reserve_ids(database, IdRange(11, 20)) == 0
    assert reserve_ids(database, IdRange(20, 30)) == 1
    with transaction(database) as tx:
        assert tx.execute(NEXT_ID_QUERY).scalar_one() == 32


def test_rows_that_row_level_security_hides_are_refused_instead_of_left_out(database):
    add_company_with_every_row(database, "acme")
    with database.begin() as owner:
        owner.execute(text("CREATE ROLE moving_reader; GRANT SELECT ON lines TO moving_reader"))
        owner.execute(text("ALTER TABLE lines ENABLE ROW LEVEL SECURITY"))
    try:
        with transaction(database) as tx:
            tx.execute(text("SET LOCAL ROLE moving_reader"))
            copying.prepare(tx)
            with pytest.raises(DBAPIError, match="row-level security"):
                list(copying.copy_out(tx, "lines", "acme"))
            tx.rollback()
    finally:
        with database.begin() as owner:
            owner.execute(text("REVOKE ALL ON lines FROM moving_reader; DROP ROLE moving_reader"))


def test_transaction_that_was_writing_before_is_waited_for(database):
    with database.connect() as writer, database.connect() as other:
        writer.execute(text("INSERT INTO companies (company_id) VALUES ('acme')"))
        own = company_moves.assign_transaction_id(other)
        other.commit()

        assert company_moves.has_older_writer(other, own)
        other.rollback()
        writer.commit()
        assert not company_moves.has_older_writer(other, own)
