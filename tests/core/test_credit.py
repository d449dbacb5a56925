"""The credit of a line (rule D8): its amount, deposit date and date of service, and whether it is on account."""

from datetime import date
from itertools import count

import pytest

from payments.contract.money import dollars
from payments.core.credit import EntryGroup, credit_of

VISIT, OTHER = date(2026, 5, 4), date(2026, 5, 11)
APRIL, MAY, JUNE = date(2026, 4, 8), date(2026, 5, 13), date(2026, 6, 16)

entry_ids = count(1)


def entry_group(amount: str, deposited: date, day: date | None = VISIT, charge_type: str = "Copay") -> EntryGroup:
    return EntryGroup(charge_type, day, deposited, dollars(amount), next(entry_ids))


CREDIT_CASES = [
    ("imported", [entry_group("25.00", APRIL)], ("25.00", APRIL, VISIT, False)),
    ("raised", [entry_group("25.00", APRIL), entry_group("10.00", JUNE)], ("35.00", APRIL, VISIT, False)),
    ("lowered", [entry_group("60.00", APRIL), entry_group("-15.00", JUNE)], ("45.00", APRIL, VISIT, False)),
    ("deleted", [entry_group("60.00", APRIL), entry_group("-60.00", JUNE)], ("0.00", APRIL, VISIT, False)),
    ("moved to another day", [entry_group("0.00", APRIL), entry_group("25.00", MAY)], ("25.00", MAY, VISIT, False)),
    ("another method later", [entry_group("40.00", APRIL), entry_group("0.00", JUNE)], ("40.00", APRIL, VISIT, False)),
    (
        "deleted, and saved again",
        [entry_group("50.00", APRIL), entry_group("-50.00", MAY), entry_group("50.00", JUNE)],
        ("50.00", JUNE, VISIT, False),
    ),
    (
        "another date of service",
        [entry_group("25.00", APRIL), entry_group("-25.00", JUNE), entry_group("25.00", JUNE, OTHER)],
        ("25.00", APRIL, OTHER, False),
    ),
    (
        "moved to Payment on Account",
        [
            entry_group("25.00", APRIL),
            entry_group("-25.00", JUNE),
            entry_group("30.00", JUNE, None, "Payment on Account"),
        ],
        ("30.00", APRIL, None, True),
    ),
    ("on account, with a date", [entry_group("9.00", MAY, VISIT, "Payment on Account")], ("9.00", MAY, None, True)),
    ("refund", [entry_group("-25.00", MAY)], ("-25.00", MAY, VISIT, False)),
    ("refund raised", [entry_group("-25.00", MAY), entry_group("-5.00", JUNE)], ("-30.00", MAY, VISIT, False)),
]


@pytest.mark.parametrize(
    ("parts", "expected"), [case[1:] for case in CREDIT_CASES], ids=[case[0] for case in CREDIT_CASES]
)
def test_credit_is_the_remaining_money_of_the_line(
    parts: list[EntryGroup], expected: tuple[str, date, date | None, bool]
) -> None:
    for groups in (parts, parts[::-1]):
        credit = credit_of(7, groups, refund_of=3)

        assert (str(credit.amount), credit.deposit_date, credit.date_of_service, credit.on_account) == expected
        assert (credit.source, credit.entry_id, credit.refund_of) == (7, parts[0].entry_id, 3)
