"""How much of what happens in a simulated clinic: one table of shares, and nothing of how the days are made.

Every figure is an assumption, chosen so that a fortnight of five clinics meets every rule that Billing applies to a
payment, not measured anywhere. Weights in a mapping are parts of their own sum; the sums here are 100.
"""

from collections.abc import Mapping
from enum import StrEnum

from payments.contract.event import ChargeType, Method


class Story(StrEnum):
    """What is special about a line, from its first save to its last."""

    PLAIN = "plain"
    PART_PAID = "part paid"
    AMOUNT_CORRECTED = "amount corrected"
    METHOD_CHANGED = "method changed"
    MEMO_ADDED = "memo added"
    REWORKED = "reworked"
    DELETED = "deleted"
    BACK_DATED = "back-dated"
    INTERNAL = "internal"
    PAID_LATER = "paid later"
    ZERO_DUE = "zero due"
    ZERO_DUE_CORRECTED = "zero due corrected"
    REFUNDED = "refunded"


class Delivery(StrEnum):
    """How an event reaches the feed."""

    PROMPT = "prompt"
    REPEATED = "repeated"
    LATE = "late"


STORIES: Mapping[Story, int] = {
    Story.PLAIN: 58,  # saved once, Paid, dated today
    Story.PART_PAID: 3,  # Amount Paid below Amount Due
    Story.AMOUNT_CORRECTED: 7,  # version 2 has another amount
    Story.METHOD_CHANGED: 4,  # version 2 has another method
    Story.MEMO_ADDED: 4,  # version 2 differs in its memo only
    Story.REWORKED: 2,  # versions 2 to 4: amount, method, memo
    Story.DELETED: 4,  # version 2 is a deletion
    Story.BACK_DATED: 4,  # entered from the chart for a day 3 to 45 days ago
    Story.INTERNAL: 3,  # marked Internal Payment
    Story.PAID_LATER: 4,  # version 1 not Paid, version 2 Paid
    Story.ZERO_DUE: 2,  # Amount Due 0.00, left so
    Story.ZERO_DUE_CORRECTED: 2,  # Amount Due 0.00, version 2 has an amount
    Story.REFUNDED: 3,  # a negative line of its own follows
}
CHARGE_TYPES: Mapping[ChargeType, int] = {
    ChargeType.COPAY: 60,
    ChargeType.COINSURANCE: 13,
    ChargeType.DEDUCTIBLE: 10,
    ChargeType.SUPPLIES: 5,
    ChargeType.PAYMENT_ON_ACCOUNT: 5,
    ChargeType.WELLNESS: 4,
    ChargeType.OTHER: 3,
}
METHODS: Mapping[Method, int] = {
    Method.CREDIT_CARD: 62,
    Method.CASH: 16,
    Method.CHECK: 15,
    Method.EFT: 5,
    Method.OTHER: 2,
}
AMOUNTS_CENTS: Mapping[ChargeType, range] = {
    ChargeType.COPAY: range(15_00, 65_00, 5_00),
    ChargeType.COINSURANCE: range(8_00, 95_00),
    ChargeType.DEDUCTIBLE: range(40_00, 180_00),
    ChargeType.SUPPLIES: range(5_00, 60_00, 25),
    ChargeType.PAYMENT_ON_ACCOUNT: range(50_00, 305_00, 5_00),
    ChargeType.WELLNESS: range(30_00, 120_00, 5_00),
    ChargeType.OTHER: range(5_00, 80_00),
}
EDIT_DELAYS_DAYS: Mapping[int, int] = {0: 40, 1: 25, 2: 10, 3: 10, 5: 8, 8: 4, 35: 3}
"""Days from one save of a line to the next; the longest so that the month may have been closed meanwhile."""

# Of 100 payments, this many hold two lines.
TWO_LINES_PERCENT = 12
# Of 100 lines saved more than once, this many have their first version overtaken by the second on its way.
OVERTAKEN_PERCENT = 15
# Of 100 events, this many are sent a second time.
REPEATED_PERCENT = 3
# Of 100 patients, Billing hears of this many only after their first payment, or never.
PATIENT_LATE_PERCENT = 5
PATIENT_NEVER_PERCENT = 2

VISITS_A_DAY = range(9, 20)
VISITS_A_WEEKEND_DAY = range(2, 7)
PATIENTS_IN_CARE = 60
PATIENTS_NEW_A_WEEK = 5

CLINICS_A_COMPANY = 5
# In each ten clinics one has the integration off: one of the second to the fifth, so that a few clinics show it too.
CLINICS_A_SWITCHED_OFF_ONE = 10
# Number of charge types that a clinic has not selected; Copay is always selected.
TYPES_UNSELECTED: Mapping[int, int] = {0: 50, 1: 30, 2: 15, 3: 5}
