"""Simulate the next release: a copy of the program with a new migration, event field and task argument."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.acceptance.stack import Stack

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "console", "emr", "payments", "tasks", "workers")
NEWER_IMPORTER = "newer-importer"
"""The worker name of the newer importer. It distinguishes the two versions in Flower and in the history."""
ARGUMENT, VALUE = "asked_by", "a newer intake"
MIGRATION_REVISION = "9001"
"""A revision number that is higher than that of any real migration."""
STOP_SECONDS_MAX = 30

MIGRATION_SOURCE = '''"""Additions of a later release: a column, a table, an index."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{head}"


def upgrade() -> None:
    # A column of a versioned table is added at the end of both tables.
    for table in ("lines", "lines_was"):
        op.add_column(table, sa.Column("tip", sa.String(64), nullable=True))
    op.create_index("lines_by_tip", "lines", ["tip"], postgresql_where=sa.text("tip IS NOT NULL"))
    op.create_table("tips", sa.Column("id", sa.Integer, primary_key=True), sa.Column("tip", sa.String(64)))
    op.execute("GRANT ALL ON tips TO PUBLIC")
'''

# File, text that must occur exactly once, replacement.
SOURCE_REPLACEMENTS = (
    ("payments/contract/event.py", "    refund_of: PrintedKey\n", "    refund_of: PrintedKey\n    tip: ShortText\n"),
    ("payments/contract/event.py", '_FIELDS_NOT_HASHED = {"schema_", ', '_FIELDS_NOT_HASHED = {"tip", "schema_", '),
    (
        "tasks/importing.py",
        '    reply_to: str = "",\n',
        f'    reply_to: str = "",\n    {ARGUMENT}: str | None = None,\n',
    ),
    (
        "tasks/feed/dispatcher.py",
        "(wire_names.IMPORT_EVENTS, reply_to=",
        f'(wire_names.IMPORT_EVENTS, {ARGUMENT}="{VALUE}", reply_to=',
    ),
    ("workers/importer.py", 'run_worker("importer", ', f'run_worker("{NEWER_IMPORTER}", '),
)


class NextVersion:
    """Processes of the next version in the home of a running stack, with the same engines and queues."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder, self.stack = folder, stack
        self.environment = stack.environment | {
            "PYTHONPATH": str(folder),
            "PYTHONSAFEPATH": "1",
            "REMAP_SIGTERM": "SIGQUIT",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def write(self) -> None:
        """Copy the current source with SOURCE_REPLACEMENTS. Fail if a text to replace does not occur exactly once."""
        for package in PACKAGES:
            shutil.copytree(CHECKOUT / package, self.folder / package)
        for name, old, new in SOURCE_REPLACEMENTS:
            path = self.folder / name
            text = path.read_text()
            assert text.count(old) == 1, f"{name} has changed: {old!r} occurs {text.count(old)} times, not once"
            path.write_text(text.replace(old, new))
        steps = self.folder / "payments" / "store" / "migrations" / "versions"
        head = max(path.name for path in steps.glob("*.py"))[:4]
        (steps / f"{MIGRATION_REVISION}_tips.py").write_text(
            MIGRATION_SOURCE.format(revision=MIGRATION_REVISION, head=head)
        )

    def migrate(self) -> None:
        """Migrate the database to the next version, as an operator does."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.migrate"],
            check=False,
            env=self.environment | {"PGOPTIONS": "-c lock_timeout=5s"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def start(self, *modules: str) -> None:
        """Start processes of the next version in addition to the processes of the stack."""
        for module in modules:
            with (self.stack.home / f"newer-{module}.log").open("wb") as log:
                self.running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", module],
                        env=self.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def stop(self) -> list[int]:
        """Stop the processes of the next version, and return their exit statuses."""
        for process in self.running:
            os.killpg(process.pid, signal.SIGTERM)
        return [process.wait(STOP_SECONDS_MAX) for process in self.running]

    def kill_remaining(self) -> None:
        """Kill the remaining processes and wait for them, so that a failed test does not affect others."""
        for process in self.running:
            process.kill()
            process.wait()
