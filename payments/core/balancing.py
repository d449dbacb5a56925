"""Balancing: where each cent lies that the EMR says was paid and Billing's imports do not show (rule D9).

EMR total = Billing total + every term. A term is worked out from facts of its own, never as what is left over, so that
`unexplained` says so when something is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from payments.contract.money import ZERO, Money, total
from payments.contract.payment_log import UNKNOWN_DETAILS, Details
from payments.core.outcome import Application, Outcome, Reason, Status


class ReconcilingItem(StrEnum):
    """Why money of the EMR's total is not in Billing's, in the order in which the report says it."""

    INTERNAL = "internal"
    NOT_SENT = "not_sent"
    PENDING = "pending"
    INVALID = "invalid"
    ZERO_DUE = "zero_due"
    CLOSED_MONTH = "closed_month"
    PRIOR_PERIOD = "prior_period"
    DATE_DIFFERENCES = "date_differences"

    @property
    def sentence(self) -> str:
        """What the money of this term is, as the office reads it."""
        return _SENTENCES[self]

    @property
    def label(self) -> str:
        """The term in a word or two, beside an amount."""
        return _LABELS[self]


_LABELS = {
    ReconcilingItem.INTERNAL: "Internal",
    ReconcilingItem.NOT_SENT: "Not Sent",
    ReconcilingItem.PENDING: "Pending",
    ReconcilingItem.INVALID: "Validation Failed",
    ReconcilingItem.ZERO_DUE: "Amount Due is 0.00",
    ReconcilingItem.CLOSED_MONTH: "Closed month",
    ReconcilingItem.PRIOR_PERIOD: "Adjusted",
    ReconcilingItem.DATE_DIFFERENCES: "Other days",
}
_SENTENCES = {
    ReconcilingItem.INTERNAL: "Internal Payments, which stay in the EMR",
    ReconcilingItem.NOT_SENT: "Not Sent: the clinic or its settings keep it out, or every try failed",
    ReconcilingItem.PENDING: "Pending: held, and judged again later",
    ReconcilingItem.INVALID: "Validation Failed: Billing could not take what the EMR saved",
    ReconcilingItem.ZERO_DUE: "Amount Due is 0.00, which a biller has to look at",
    ReconcilingItem.CLOSED_MONTH: "Closed month: exceptions that no adjustment has settled",
    ReconcilingItem.PRIOR_PERIOD: "Adjustments of these payments, which carry the name of who accepted them",
    ReconcilingItem.DATE_DIFFERENCES: "Dated in these days on one side and outside of them on the other",
}


@dataclass(frozen=True, slots=True)
class LineComparison:
    """What both systems say of one line and some days; amounts in dollars.

    `emr` is the EMR's side of the days. `heard` is what the newest version says that Billing could judge, and `said`
    the same or, where a newer event was `refused`, what that one says. `is_inside` tells whether its day is one of the
    days. Entries: imports deposited `here` (in the days) and `elsewhere`, and all others, `added`.
    `log` is what the EMR's Payment Log holds where it is compared with one, `feed` what Billing was told.
    """

    payment: str | None
    clinic: str | None
    is_inside: bool
    emr: Money
    said: Money
    heard: Money
    refused: Status | None
    outcome: Outcome | None
    here: Money
    elsewhere: Money = ZERO
    added: Money = ZERO
    feed: Details = UNKNOWN_DETAILS
    log: Details | None = None


@dataclass(frozen=True, slots=True)
class BalancedLine:
    """A line, or a `count` of lines on which both sides agree, with what lies between the sides; amounts in dollars.

    `day` is the line's date of transaction.
    """

    payment: str | None
    clinic: str | None
    emr: Money
    billing: Money
    terms: Mapping[ReconcilingItem, Money] = field(default_factory=dict)
    note: str = ""
    count: int = 1
    day: date | None = None
    charge_type: str | None = None

    @property
    def unexplained(self) -> Money:
        """What no term accounts for."""
        return self.emr - self.billing - total(self.terms.values())

    @property
    def is_plain(self) -> bool:
        """Whether both sides simply say the same."""
        return not (self.terms or self.note or self.unexplained)


@dataclass(slots=True)
class Balance:
    """Lines added up, and those of them on which the sides do not simply agree; amounts in dollars."""

    emr_total: Money = ZERO
    billing_total: Money = ZERO
    terms: dict[ReconcilingItem, Money] = field(default_factory=lambda: dict.fromkeys(ReconcilingItem, ZERO))
    equal: int = 0
    lines: list[BalancedLine] = field(default_factory=list)

    @property
    def unexplained(self) -> Money:
        """What no term accounts for; 0.00 unless something is wrong."""
        return self.emr_total - self.billing_total - total(self.terms.values())

    @property
    def unexplained_lines(self) -> list[BalancedLine]:
        """The lines on which something is wrong, even where they make up for each other."""
        return [line for line in self.lines if line.unexplained]

    def add(self, line: BalancedLine) -> None:
        """Add a line."""
        self.emr_total += line.emr
        self.billing_total += line.billing
        for term, amount in line.terms.items():
            self.terms[term] += amount
        if line.is_plain:
            self.equal += line.count
        else:
            self.lines.append(line)


def explain(facts: LineComparison) -> BalancedLine:
    """Work out a line's terms. Those of its own count where its date of transaction is one of the days."""
    terms = dict.fromkeys(ReconcilingItem, ZERO)
    if not facts.is_inside:
        terms[ReconcilingItem.DATE_DIFFERENCES] = -facts.here
    else:
        if facts.refused:
            terms[ReconcilingItem.NOT_SENT if facts.refused is Status.NOT_SENT else ReconcilingItem.INVALID] += (
                facts.said - facts.heard
            )
        if facts.outcome:
            _judge(terms, facts, facts.outcome)
        terms[ReconcilingItem.PRIOR_PERIOD] += facts.added
        terms[ReconcilingItem.DATE_DIFFERENCES] += facts.elsewhere
    own = {term: amount for term, amount in terms.items() if amount}
    line = BalancedLine(
        facts.payment, facts.clinic, facts.emr, facts.here, own, day=facts.feed.day, charge_type=facts.feed.charge_type
    )
    return replace(line, note=_note(facts, line.unexplained))


def _judge(terms: dict[ReconcilingItem, Money], facts: LineComparison, outcome: Outcome) -> None:
    """Book what the EMR says and Billing should not hold, and what Billing should hold and does not yet."""
    posted, term = facts.here + facts.elsewhere + facts.added, _term_of(outcome)
    is_decided = outcome.target is not None and outcome.application is not Application.HELD
    target = outcome.target if outcome.target is not None and is_decided else posted
    if term:
        terms[term] += facts.heard - target
    if is_decided and outcome.application is Application.EXCEPTION:
        terms[ReconcilingItem.CLOSED_MONTH] += target - posted


def _term_of(outcome: Outcome) -> ReconcilingItem | None:
    """Return why a line is kept out of Billing, or None where all of it belongs there."""
    match outcome.status:
        case Status.PENDING:
            return ReconcilingItem.PENDING
        case Status.VALIDATION_FAILED:
            return ReconcilingItem.INVALID
        case Status.NOT_SENT:
            return ReconcilingItem.INTERNAL if outcome.reason is Reason.INTERNAL_PAYMENT else ReconcilingItem.NOT_SENT
    return ReconcilingItem.ZERO_DUE if outcome.application is Application.EXCEPTION and outcome.target is None else None


def _note(facts: LineComparison, unexplained: Money) -> str:
    """Say what the two sides disagree about where no term says it."""
    if facts.outcome is None:
        return "only the EMR knows it"
    if facts.log is None and facts.is_inside and facts.emr != facts.said:
        return "only Billing knows it"
    differing = _differing(facts, facts.log) if facts.log else []
    if unexplained and not differing:
        return "the rules of import do not account for what stands in Billing"
    return "; ".join(differing)


def _differing(facts: LineComparison, log: Details) -> list[str]:
    sides = [(name.replace("_", " "), getattr(log, name), getattr(facts.feed, name)) for name in Details._fields]
    if facts.is_inside and log.day == facts.feed.day:
        sides.insert(0, ("amount", facts.emr, facts.said))
    return [
        f"{name} is {theirs} in the EMR and {ours} in Billing"
        for name, theirs, ours in sides
        if theirs is not None and ours is not None and theirs != ours
    ]


def last_full_week(today: date) -> tuple[date, date]:
    """Return the Monday and the Sunday of the week before the one that holds today."""
    monday = today - timedelta(days=today.weekday() + 7)
    return monday, monday + timedelta(days=6)
