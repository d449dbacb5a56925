"""`payments report account` and `payments distribute`: a patient's payments and the charges they pay."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from console.cli.arguments import FormatOption, LimitOption, RawOption, parse_date
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.parameters import report_command
from console.cli.printing import Output, print_pieces, show
from console.cli.session import open_database, open_report
from console.errors import CommandError
from console.plurals import plural
from console.reports.account import (
    ACCOUNT,
    ACCOUNT_PAYMENTS,
    ALLOCATIONS,
    APPLIED,
    REFUNDS,
    AccountParameters,
    account_payment_records,
    account_records,
    applied_records,
    refund_records,
)
from console.reports.output import OutputFormat, Record, array_pieces, object_pieces
from console.reports.payment_log import PAYMENT_LOG, log_records
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.core.credit import SourceId
    from payments.journeys.distributing import AccountRow, DistributionResult
    from payments.journeys.reporting import PaymentLogRow
    from payments.store.db.connection import Transaction


@report_command(AccountParameters)
def account(parameters: AccountParameters, output: Output) -> None:
    """Show a patient's account, which covers all cases: total payments, unassigned amount and balance.

    If several companies have the patient's id, --company chooses one. --limit applies to the payments of the account,
    and to the charges that they were applied to. In CSV each payment is a row. Its last columns hold the sums of the
    account.
    """
    from payments.core.ambiguity import AmbiguousIdError
    from payments.journeys import distributing

    patient, as_of = parameters.patient, parameters.as_of
    with open_report() as tx:
        found = distributing.show_account(tx, patient, parameters.scope(), as_of)
        if not found:
            problem = f"was no patient {patient} at {as_of.isoformat()}" if as_of else f"is no patient {patient}"
            raise CommandError(f"there {problem}")
        if len(found) > 1:
            raise AmbiguousIdError(f"patient {patient}", (each.company for each in found))
        (row,), reader = found, _AccountReader(tx, parameters)
        match output.output_format:
            case OutputFormat.TABLE:
                show(account_records([row]), ACCOUNT, Output())
                show(reader.payments(row), PAYMENT_LOG, output)
                show(reader.allocations(row), APPLIED, output)
                if refunds := reader.refunds(row):
                    show(refunds, REFUNDS, Output())
            case OutputFormat.CSV:
                show(reader.payments_with_sums(row), ACCOUNT_PAYMENTS, output)
            case OutputFormat.JSON:
                print_pieces(array_pieces([reader.as_json(row, output)]))


class _AccountReader(NamedTuple):
    """Reads the payments, charges and refunds of an account while the report is printed."""

    tx: Transaction
    parameters: AccountParameters

    def payments(self, account: AccountRow) -> Iterator[Record]:
        return log_records(self._log(account))

    def payments_with_sums(self, account: AccountRow) -> Iterator[Record]:
        return account_payment_records(account, self._log(account))

    def allocations(self, account: AccountRow) -> Iterator[Record]:
        from payments.journeys import distributing

        chosen = self.parameters
        return applied_records(distributing.show_allocations(self.tx, account, chosen.scope(), chosen.as_of))

    def refunds(self, account: AccountRow) -> list[Record]:
        from payments.journeys import distributing

        chosen = self.parameters
        return refund_records(distributing.show_refunds_to_check(self.tx, account, chosen.scope(), chosen.as_of))

    def as_json(self, account: AccountRow, output: Output) -> Iterator[str]:
        lists = {
            "payments": self.payments(account),
            "applied": self.allocations(account),
            "refunds_to_check": self.refunds(account),
        }
        return object_pieces(asdict(account), {name: output.limit_records(records) for name, records in lists.items()})

    def _log(self, account: AccountRow) -> Iterator[PaymentLogRow]:
        from payments.journeys import reporting

        return reporting.payment_log(self.tx, self.parameters.payments_query(account))


def distribute(  # noqa: PLR0913 (each parameter is an option)
    *,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of",
            parser=parse_date,
            metavar="YYYY-MM-DD",
            help="Distribution date. Default: today.",
        ),
    ] = None,
    company: Annotated[str | None, typer.Option(help="Distribute accounts of this company only.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    output_format: FormatOption = OutputFormat.TABLE,
    limit: LimitOption = None,
    raw: RawOption = False,
) -> None:
    """Apply payments to patients' charges by the four rules of distribution, as the nightly run does.

    On a terminal the command asks for confirmation, with the number and the sum of the allocations.
    """
    from payments.journeys import distributing
    from payments.store.db.connection import transaction
    from tasks.distributing import distribute_all

    now, output = datetime.now(UTC), Output(output_format, limit, is_raw=raw)
    output.check()
    with open_database() as opened:
        chosen = partial(distribute_all, opened, as_of, now, company=company)
        if not dry_run and must_ask(yes=yes):
            confirm(_question(chosen(dry_run=True)))
        sets = list(chosen(dry_run=dry_run))
        with transaction(opened) as tx:
            scope = EVERYTHING.narrowed_to_company(company)
            payments = distributing.payment_keys_by_line_id(tx, sets, scope)
        records = [record for each in sets for record in _records(each, payments)]
        show(records, ALLOCATIONS, output)


def _question(expected: Iterable[DistributionResult]) -> str:
    from payments.contract.money import total

    sets = list(expected)
    allocations = plural(sum(len(each.allocations) for each in sets), "allocation")
    net = total(each.net_applied for each in sets)
    return f"{allocations} with a sum of {net:,} would be made. Allocations cannot be deleted. Distribute?"


def _records(moved: DistributionResult, payments: Mapping[SourceId, str]) -> list[Record]:
    from payments import wording

    return [
        {
            "company": company,
            "patient": patient,
            "charge": str(allocation.charge),
            "amount": allocation.amount,
            "rule": wording.ALLOCATION_RULES[allocation.rule],
            "payment": payments.get(allocation.source),
        }
        for (company, patient), allocation in moved.allocations
    ]
