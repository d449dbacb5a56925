"""The migrations form one chain of revisions, in the order of their file names."""

import re

from tests.house.source import ROOT

MIGRATIONS_FOLDER = ROOT / "payments" / "store" / "migrations" / "versions"
_REVISION_LINES_PATTERN = re.compile(r'^revision = "(\w+)"$\s^down_revision = (?:"(\w+)"|None)$', re.MULTILINE)


def test_each_migration_follows_the_one_before() -> None:
    files = sorted(MIGRATIONS_FOLDER.glob("0*.py"))
    found = [_REVISION_LINES_PATTERN.search(path.read_text()) for path in files]
    numbers = [path.name[:4] for path in files]

    assert [each and each[1] for each in found] == numbers
    assert [each and each[2] for each in found] == [None, *numbers[:-1]]
    assert len({*numbers}) == len(numbers)
