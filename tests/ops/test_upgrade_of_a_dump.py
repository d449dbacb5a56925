"""A dump of an earlier release is restored and migrated. Then each report equals the one that the release printed.

The folder `schema_0013` contains the dump and the reports of a release with the schema 0013. The dump has two companies
after 14 simulated days, with closed months and with corrected, requeued, accepted and rejected payments.
"""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.database_urls import libpq_url
from devstack.postgres_binaries import postgres_program
from tests.acceptance.stack import clean_environment
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

DUMP_FOLDER = Path(__file__).parent / "schema_0013"
PAYMENTS_PROGRAM = Path(sys.executable).with_name("payments")
REPORT_COMMANDS = {
    "claims-feed.csv": "report claims-feed --format csv",
    "payment-log.csv": "report payment-log --expand --format csv",
    "exceptions.csv": "report exceptions --status all --format csv",
    "months-company-1.csv": "months list --company company-1 --format csv",
    "months-company-2.csv": "months list --company company-2 --format csv",
    "balancing.json": "report balancing --from 2020-05-01 --to 2020-06-30 --format json",
    "account.json": "report account ann --format json",
    "timeline.json": "timeline north/may/1 --format json",
}


class UpgradedLedger:
    """The restored and migrated database, and commands of the current release that run on it."""

    def __init__(self, url: str, home: Path) -> None:
        self._env = clean_environment() | {
            "DATABASE_URL": url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "PAYMENTS_HOME": str(home),
        }

    def run(self, *command: str) -> str:
        """Run a command and return its output. Fail if it ends with an error."""
        ended = subprocess.run(command, env=self._env, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def upgraded(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpgradedLedger]:
    with scratch_database(postgres_url) as url:
        ledger = UpgradedLedger(url, tmp_path_factory.mktemp("home"))
        restore = [postgres_program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={libpq_url(url)}"]
        ledger.run(*restore, str(DUMP_FOLDER / "ledger.dump"))
        ledger.run(sys.executable, "-m", "workers.migrate")
        ledger.run(sys.executable, "-m", "workers.migrate", "--finish")
        yield ledger


@pytest.mark.parametrize("name", REPORT_COMMANDS)
def test_report_after_the_upgrade_equals_that_of_the_earlier_release(upgraded: UpgradedLedger, name: str) -> None:
    before, after = (
        (DUMP_FOLDER / name).read_text(),
        upgraded.run(str(PAYMENTS_PROGRAM), *REPORT_COMMANDS[name].split()),
    )

    read = _csv_rows if name.endswith(".csv") else json.loads
    assert read(before)
    assert _only_keys_of(read(before), read(after)) == read(before)


@pytest.mark.parametrize("company", ["company-1", "company-2"])
def test_closed_month_is_verified_after_the_upgrade(upgraded: UpgradedLedger, company: str) -> None:
    assert upgraded.run(str(PAYMENTS_PROGRAM), "months", "verify", company, "2020-05").startswith(
        f"{company} 2020-05 matches"
    )


def _csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _only_keys_of(before: Any, after: Any) -> Any:
    """Return `after` without the keys that the earlier release did not have."""
    if isinstance(before, dict):
        # Earlier releases named the worker as the user.
        after = after | {"who": after["worker"]} if after.get("worker") else after
        return {key: _only_keys_of(value, after[key]) for key, value in before.items()}
    if isinstance(before, list) and len(before) == len(after):
        return [_only_keys_of(*pair) for pair in zip(before, after, strict=True)]
    return after
