"""A PostgreSQL primary whose only synchronous standby is missing, so that each COMMIT waits until it is cancelled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from config.database_urls import libpq_url
from devstack.engines import embedded_postgres
from payments.store.migrations import upgrade

_WAITING_COMMITS = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
_TRIES, _PAUSE_SECONDS = 1_000, 0.01


class SynchronousPrimary:
    """A primary with a migrated database at `url`. At first it waits for no standby."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def standby_gone(self, end: str = "pg_cancel_backend") -> Iterator[None]:
        """Let each COMMIT of a write wait for a missing standby. `end` is the SQL function that ends each wait."""
        self._set_standby("gone")
        is_over = threading.Event()
        canceller = threading.Thread(target=self._end_waiting, args=[is_over, end])
        canceller.start()
        try:
            self._wait_until_commits_wait()
            yield
        finally:
            is_over.set()
            canceller.join()
            self._set_standby("")

    def _set_standby(self, name: str) -> None:
        with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            connection.execute("SELECT pg_reload_conf()")

    def _wait_until_commits_wait(self) -> None:
        """Commit writes until a COMMIT waits, because the server applies the new setting only after a moment."""
        notices: list[object] = []
        with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
            connection.add_notice_handler(notices.append)
            for _ in range(_TRIES):
                with suppress(psycopg.OperationalError):  # the session was terminated after its notice
                    connection.execute("SELECT pg_current_xact_id(), pg_logical_emit_message(true, '', '')")
                if notices:
                    return
        raise AssertionError("commits do not wait for the standby")

    def _end_waiting(self, is_over: threading.Event, end: str) -> None:
        with psycopg.connect(libpq_url(self.url), autocommit=True) as connection:
            while not is_over.wait(_PAUSE_SECONDS):
                connection.execute(f"SELECT {end}(pid) {_WAITING_COMMITS}")


@contextmanager
def synchronous_primary(home: Path) -> Iterator[SynchronousPrimary]:
    """Run a SynchronousPrimary in this folder."""
    with embedded_postgres(home) as url:
        upgrade(url)
        yield SynchronousPrimary(url)
