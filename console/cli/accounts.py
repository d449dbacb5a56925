"""`payments report account` and `payments distribute`: a patient's money, and the charges that it goes to."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.arguments import FormOption, LimitOption, day
from console.cli.confirmation import DryRunOption, YesOption, asks, confirm
from console.cli.parameters import report_command
from console.cli.printing import show
from console.cli.session import open_database, open_snapshot
from console.errors import CommandError
from console.plurals import plural
from console.reports.account import (
    ACCOUNT,
    ALLOCATIONS,
    APPLIED,
    REFUNDS,
    AccountParameters,
    account_records,
    applied_records,
    refund_records,
)
from console.reports.output import OutputFormat, Record, print_json
from console.reports.payment_log import PAYMENT_LOG, log_records

if TYPE_CHECKING:
    from payments.journeys.distributing import AccountRow, AllocationRow, DistributionResult, RefundRow
    from payments.journeys.reporting import LogRow


@report_command(AccountParameters)
def account(parameters: AccountParameters, *, form: FormOption = OutputFormat.TABLE) -> None:
    """Show a patient's account, all cases together: total payments, unassigned amount and balance."""
    from payments.journeys import distributing, reporting

    patient, as_of = parameters.patient, parameters.as_of
    with open_snapshot() as tx:
        accounts = distributing.show_account(tx, patient, as_of=as_of)
        entries = {each.company: reporting.payment_log(tx, parameters.payments_query(each)) for each in accounts}
        applied = distributing.show_allocations(tx, patient, as_of=as_of)
        refunds = {each.company: distributing.show_refunds_to_check(tx, each, as_of=as_of) for each in accounts}
    if not accounts:
        problem = f"was no patient {patient} at {as_of.isoformat()}" if as_of else f"is no patient {patient}"
        raise CommandError(f"there {problem}")
    rows = [record for own in entries.values() for record in log_records(own)]
    if form is OutputFormat.TABLE:
        show(account_records(accounts), ACCOUNT, form)
        show(rows, PAYMENT_LOG, form)
        show(applied_records(applied), APPLIED, form)
        if to_check := refund_records(row for own in refunds.values() for row in own):
            show(to_check, REFUNDS, form)
        return
    if form is OutputFormat.CSV:
        show(rows, PAYMENT_LOG, form)
        return
    print_json([_with_payments(each, entries[each.company], applied, refunds[each.company]) for each in accounts])


def _with_payments(
    account: AccountRow, entries: Iterable[LogRow], applied: Iterable[AllocationRow], refunds: Iterable[RefundRow]
) -> dict[str, Any]:
    own = applied_records(row for row in applied if row.company == account.company)
    more = {"payments": log_records(entries), "applied": own, "refunds_to_check": refund_records(refunds)}
    return asdict(account) | more


def distribute(
    *,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of",
            parser=day,
            metavar="YYYY-MM-DD",
            help="Distribution date. Default: today.",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = 200,
) -> None:
    """Apply payments to patients' charges, by the four rules, as the nightly run does.

    On a terminal the command asks first, with the number and the sum of the allocations.
    """
    from payments.journeys import distributing
    from payments.store.db.connection import transaction
    from tasks.distributing import distribute_all

    now = datetime.now(UTC)
    with open_database() as opened:
        if not dry_run and asks(yes=yes):
            confirm(_question(distribute_all(opened, as_of, now, dry_run=True)))
        sets = list(distribute_all(opened, as_of, now, dry_run=dry_run))
        with transaction(opened) as tx:
            payments = distributing.payments_of(tx, sets)
        show([record for each in sets for record in _records(each, payments)], ALLOCATIONS, form, limit)


def _question(expected: Iterable[DistributionResult]) -> str:
    from payments.contract.money import total

    sets = list(expected)
    allocations = plural(sum(len(each.allocations) for each in sets), "allocation")
    net = total(each.net_applied for each in sets)
    return f"{allocations} with a sum of {net:,} would be made. Allocations stay in the ledger. Distribute?"


def _records(moved: DistributionResult, payments: Mapping[int, str]) -> list[Record]:
    from payments import wording

    return [
        {
            "company": company,
            "patient": patient,
            "charge": "/".join(allocation.charge),
            "amount": allocation.amount,
            "rule": wording.ALLOCATION_RULES[allocation.rule],
            "payment": payments[allocation.line_ref],
        }
        for (company, patient), allocation in moved.allocations
    ]
