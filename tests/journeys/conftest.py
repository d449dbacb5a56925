"""A database for tests in which several workers commit."""

from collections.abc import Iterator

import pytest

from payments.store.db.connection import Database, connect
from tests.engines import scratch_database


@pytest.fixture(scope="session")
def shared(postgres_url: str, empty_ledger: str) -> Iterator[Database]:
    """A separate database for this test's commits."""
    with scratch_database(postgres_url, empty_ledger) as url:
        engine = connect(url, application_name="workers", pool_size=8)
        yield engine
        engine.dispose()
