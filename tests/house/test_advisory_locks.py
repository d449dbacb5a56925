"""Advisory locks: every id comes from the registry, has one purpose, and is unique."""

import re

from payments.store.db.advisory_locks import AdvisoryLock
from tests.house.source import ROOT

REGISTRY = "payments/store/db/advisory_locks.py"
SEARCHED_FOLDERS = ("bench", "config", "console", "devstack", "docgen", "emr", "payments", "tasks", "workers")
LOCK_CALL_PATTERN = re.compile(r"pg_(?:try_)?advisory_\w+\(([^,)]*)")
LOCK_ID_PATTERN = re.compile(r"\b7_?25\d_?\d{3}\b")


def sources() -> dict[str, str]:
    found = [path for folder in SEARCHED_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in found}


def test_every_use_of_an_advisory_lock_names_the_registry() -> None:
    calls = [
        (path, use) for path, text in sources().items() if path != REGISTRY for use in LOCK_CALL_PATTERN.findall(text)
    ]

    assert len(calls) >= 4
    assert [(path, use) for path, use in calls if not re.fullmatch(r"\{AdvisoryLock\.[A-Z_]+:d\}", use)] == []


def test_advisory_lock_ids_appear_only_in_the_registry() -> None:
    assert [path for path, text in sources().items() if path != REGISTRY and LOCK_ID_PATTERN.search(text)] == []


def test_advisory_lock_ids_are_unique() -> None:
    ids = [int(value) for value in re.findall(r"^    [A-Z_]+ = ([\d_]+)", (ROOT / REGISTRY).read_text(), re.MULTILINE)]

    assert len(ids) == len(set(ids)) == len(AdvisoryLock)
