"""A fixture for tests where several workers commit."""

from collections.abc import Iterator

import pytest

from payments.store.db.connection import Database, connect
from tests.engines import scratch_database


@pytest.fixture(scope="session")
def shared_database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """A new database that the workers of one test share and commit to."""
    with scratch_database(postgres_url, ledger_template) as url:
        engine = connect(url, application_name="workers", pool_size=8)
        yield engine
        engine.dispose()
