"""`payments report account` and `payments distribute`: a patient's money, and the charges that it goes to."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.arguments import AsOfOption, FormOption, LimitOption, day
from console.cli.printing import show
from console.cli.session import open_database, open_snapshot
from console.errors import CommandError
from console.reports import layouts
from console.reports.layout import Column, Layout
from console.reports.output import OutputFormat, Record, print_json

if TYPE_CHECKING:
    from payments.journeys.distributing import AccountRow, DistributionResult, MovementRow
    from payments.journeys.reporting import LogFilter, LogRow

ACCOUNT = Layout(
    title="Patient account",
    keys=("patient", "payments_total", "unassigned", "balance", "company"),
    columns=(
        Column("patient", "Patient", wraps=True),
        Column("company", "Company", wraps=True),
        Column("payments_total", "Payments"),
        Column("unassigned", "Unassigned"),
        Column("balance", "Still owed"),
    ),
    noun="account",
    empty="Nobody is known by this id.",
)
APPLIED = Layout(
    title="Applied to charges",
    keys=("payment", "charge", "date_of_service", "amount", "rule", "distribution_date"),
    columns=(
        Column("payment", "Payment", wraps=True),
        Column("charge", "Charge", wraps=True),
        Column("date_of_service", "Service", from_width=100),
        Column("distribution_date", "On"),
        Column("rule", "Rule", wraps=True),
        Column("amount", "Amount"),
    ),
    noun="movement",
    empty="Nothing is applied to a charge.",
    total_of="amount",
)
MOVEMENTS = Layout(
    title="Movements",
    keys=("company", "patient", "charge", "amount", "rule", "payment"),
    columns=(
        Column("patient", "Patient", wraps=True),
        Column("payment", "Payment", wraps=True, from_width=120),
        Column("charge", "Charge", wraps=True),
        Column("rule", "Rule", wraps=True),
        Column("amount", "Amount"),
    ),
    noun="movement",
    empty="There is nothing to move.",
    total_of="amount",
)


def account(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's id.")],
    *,
    as_of: AsOfOption = None,
    form: FormOption = OutputFormat.TABLE,
) -> None:
    """Show a patient's account, all cases together: payments, what of them is unassigned, and what is still owed."""
    from payments.journeys import distributing, reporting

    with open_snapshot() as tx:
        accounts = distributing.show_account(tx, patient, as_of=as_of)
        entries = {each.company: reporting.payment_log(tx, _payments_of(each, as_of)) for each in accounts}
        applied = distributing.show_movements(tx, patient, as_of=as_of)
    if not accounts:
        when = f"was known as {patient} at {as_of.isoformat()}" if as_of else f"is known as {patient}"
        raise CommandError(f"no patient {when}")
    rows: list[Record] = [row._asdict() for own in entries.values() for row in own]
    if form is OutputFormat.TABLE:
        show([asdict(each) for each in accounts], ACCOUNT, form)
        show(rows, layouts.LOG, form)
        show([row._asdict() for row in applied], APPLIED, form)
        return
    if form is OutputFormat.CSV:
        show(rows, layouts.LOG, form)
        return
    print_json([_whole(each, entries[each.company], applied) for each in accounts])


def _payments_of(account: AccountRow, as_of: datetime | None) -> LogFilter:
    """Ask for the account's own payments: another company may know somebody else under the same id."""
    from payments.journeys.reporting import LogFilter

    return LogFilter(account.patient, as_of=as_of, company_id=account.company)


def _whole(account: AccountRow, entries: Iterable[LogRow], applied: Iterable[MovementRow]) -> dict[str, Any]:
    moved = [row._asdict() for row in applied if row.company == account.company]
    return asdict(account) | {"payments": [row._asdict() for row in entries], "applied": moved}


def distribute(
    *,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of",
            parser=day,
            metavar="YYYY-MM-DD",
            help="Distribute as on this day; today if left out.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show each movement and its rule; change nothing.")
    ] = False,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = 200,
) -> None:
    """Apply patients' payments to what they owe, by the four rules, as every night does by itself."""
    from payments.journeys import distributing
    from payments.store.db.connection import transaction
    from tasks.distributing import distribute_all

    now = datetime.now(UTC)
    with open_database() as opened:
        sets = list(distribute_all(opened, as_of, now, dry_run=dry_run))
        with transaction(opened) as tx:
            payments = distributing.payments_of(tx, sets)
        show([record for each in sets for record in _records(each, payments)], MOVEMENTS, form, limit)


def _records(moved: DistributionResult, payments: Mapping[int, str]) -> list[Record]:
    return [
        {
            "company": company,
            "patient": patient,
            "charge": "/".join(movement.charge),
            "amount": movement.amount,
            "rule": movement.rule.value,
            "payment": payments[movement.line_ref],
        }
        for (company, patient), movement in moved.movements
    ]
