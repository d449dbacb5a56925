"""Weights of the simulation: the frequency of each scenario, charge type, method and delay.

The numbers are assumptions, not measurements. They are chosen so that two weeks of five clinics exercise every import
rule. Weights are relative to the sum of their mapping, which is 100 here.
"""

from collections.abc import Mapping
from enum import StrEnum

from payments.contract.event import ChargeType, Method


class Scenario(StrEnum):
    """The course of a line from its first save to its last."""

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
    """The way in which an event reaches the feed."""

    PROMPT = "prompt"
    REPEATED = "repeated"
    LATE = "late"


SCENARIO_WEIGHTS: Mapping[Scenario, int] = {
    Scenario.PLAIN: 58,  # saved once, Paid, dated today
    Scenario.PART_PAID: 3,  # Amount Paid below Amount Due
    Scenario.AMOUNT_CORRECTED: 7,  # version 2 has another amount
    Scenario.METHOD_CHANGED: 4,  # version 2 has another method
    Scenario.MEMO_ADDED: 4,  # version 2 differs in its memo only
    Scenario.REWORKED: 2,  # versions 2 to 4: amount, method, memo
    Scenario.DELETED: 4,  # version 2 is a deletion
    Scenario.BACK_DATED: 4,  # entered later, for a day 3 to 45 days ago
    Scenario.INTERNAL: 3,  # marked Internal Payment
    Scenario.PAID_LATER: 4,  # version 1 not Paid, version 2 Paid
    Scenario.ZERO_DUE: 2,  # Amount Due 0.00 although money was paid, left so
    Scenario.ZERO_DUE_CORRECTED: 2,  # Amount Due 0.00, version 2 has an amount
    Scenario.REFUNDED: 3,  # a negative line of its own follows
}
CHARGE_TYPE_WEIGHTS: Mapping[ChargeType, int] = {
    ChargeType.COPAY: 60,
    ChargeType.COINSURANCE: 13,
    ChargeType.DEDUCTIBLE: 10,
    ChargeType.SUPPLIES: 5,
    ChargeType.PAYMENT_ON_ACCOUNT: 5,
    ChargeType.WELLNESS: 4,
    ChargeType.OTHER: 3,
}
METHOD_WEIGHTS: Mapping[Method, int] = {
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
"""Days between two saves of a line. The longest delay is long enough for the month to be closed in between."""

# Payments with two lines, per 100.
TWO_LINES_PERCENT = 12
# Lines whose second version reaches the feed before the first, per 100 lines with several versions.
OVERTAKEN_PERCENT = 15
# Events that are published twice, per 100.
REPEATED_PERCENT = 3
# Patients announced to Billing only after their first payment, or never, per 100.
PATIENT_LATE_PERCENT = 5
PATIENT_NEVER_PERCENT = 2

VISITS_A_DAY = range(9, 20)
VISITS_A_WEEKEND_DAY = range(2, 7)
PATIENTS_IN_CARE = 60
PATIENTS_NEW_A_WEEK = 5

CLINICS_A_COMPANY = 5
# The integration is off in one of ten clinics: in one of the first five, so that small simulations include it.
CLINICS_A_SWITCHED_OFF_ONE = 10
# Number of charge types that a clinic has not selected; Copay is always selected.
TYPES_UNSELECTED: Mapping[int, int] = {0: 50, 1: 30, 2: 15, 3: 5}
