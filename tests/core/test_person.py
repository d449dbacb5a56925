"""Two sign-ins of one person do not count as two people."""

import pytest

from payments.core.person import may_be_same_person


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("user:anna", "user:anna", True),
        ("user:anna", "user:Anna", True),
        ("user:anna", "cli:1042 (anna)", True),
        ("cli:1042 (anna)", "cli:1042", True),
        ("cli:1042", "cli:1042", True),
        ("user:anna", "user:ben", False),
        ("cli:1042 (anna)", "cli:1043 (ben)", False),
        ("cli:1042", "cli:1043", False),
        ("user:anna", "cli:1042", False),
        ("user:1042", "cli:1042", False),
    ],
)
def test_sign_ins_are_compared_by_name_and_number(one: str, other: str, *, expected: bool) -> None:
    assert may_be_same_person(one, other) is expected
    assert may_be_same_person(other, one) is expected
