"""`payments drawers`: open, count, close and show the drawers of clinics."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormatOption, RawOption, parse_date, parse_dollars, parse_id
from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, print_pieces, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.drawers import (
    DRAWER_METHODS,
    DRAWER_PAYMENTS,
    DRAWERS,
    DrawersParameters,
    drawer_records,
    method_records,
    payment_records,
)
from console.reports.output import OutputFormat, object_pieces

if TYPE_CHECKING:
    from payments.core.drawer import CashCount
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

DrawerArgument = Annotated[
    int, typer.Argument(parser=parse_id, metavar="ID", help="Id of the drawer, as `payments drawers list` prints it.")
]
ZERO_OPTION = "0.00"


def _amount(name: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, parser=parse_dollars, metavar="AMOUNT", help=what)
    return option


@app.command("open", epilog="Example: payments drawers open north --starting-cash 150.00")
def open_drawer(
    clinic: Annotated[str, typer.Argument(help="The clinic.")],
    *,
    company: Annotated[str | None, typer.Option(help="The company, if several have the clinic.")] = None,
    day: Annotated[
        date | None,
        typer.Option(parser=parse_date, metavar="YYYY-MM-DD", help="Not before the last drawer. Default: today."),
    ] = None,
    starting_cash: Annotated[
        Decimal | None, _amount("--starting-cash", "Cash before the first payment. Default: as in the last drawer.")
    ] = None,
) -> None:
    """Open a drawer for the next shift of a day. A clinic has one open drawer: a second call changes nothing."""
    from console.drawer_wording import opened_message
    from payments.journeys import drawers

    request = drawers.OpeningRequest(clinic, company, day, starting_cash)
    with open_transaction() as tx:
        opened = drawers.open_drawer(tx, request, datetime.now(UTC), current_user())
        message = opened_message(opened)
        if not opened.was_open_before:
            _audit(tx, "opened drawer", opened.drawer.id, message, opened.drawer.company_id)
        print_line(message)


@app.command(
    epilog="Example: payments drawers count 12 --cash 3x20.00,2x5.00,8x0.25 --check 120.00\n\n"
    'Example: payments drawers count 12 --cash 3x20.00 --reason "2.00 short: wrong change"'
)
def count(  # noqa: PLR0913 (each parameter is an option)
    drawer_id: DrawerArgument,
    *,
    cash: Annotated[
        str, typer.Option(metavar="PIECES", help="Bills and coins: NUMBERxVALUE with commas, such as 3x20.00,8x0.25.")
    ] = "",
    check: Annotated[Decimal, _amount("--check", "Dollars in checks.")] = ZERO_OPTION,  # type: ignore[assignment]
    credit_card: Annotated[Decimal, _amount("--credit-card", "Dollars by card.")] = ZERO_OPTION,  # type: ignore[assignment]
    eft: Annotated[Decimal, _amount("--eft", "Dollars by EFT.")] = ZERO_OPTION,  # type: ignore[assignment]
    other: Annotated[Decimal, _amount("--other", "Dollars by other methods.")] = ZERO_OPTION,  # type: ignore[assignment]
    reason: Annotated[str, typer.Option(help="Needed if the count differs from the payments.")] = "",
) -> None:
    """Count a drawer. The first count locks it: later payments fall into the next drawer. You may count again."""
    from console.drawer_wording import counted_message
    from payments.contract.event import Method
    from payments.core.drawer import DrawerCount
    from payments.journeys import drawers

    others = {Method.CHECK: check, Method.CREDIT_CARD: credit_card, Method.EFT: eft, Method.OTHER: other}
    counted = DrawerCount(_parse_cash(cash), others, reason)
    with open_transaction() as tx:
        found = drawers.count(tx, drawer_id, counted, drawers.Stamp(datetime.now(UTC), current_user()))
        message = counted_message(found)
        _audit(tx, "counted drawer", drawer_id, f"{message} {reason}".strip(), found.drawer.company_id)
        print_line(message)


@app.command(epilog="Example: payments drawers close 12")
def close(drawer_id: DrawerArgument) -> None:
    """Close a balanced drawer that other persons have counted. A second call changes nothing."""
    from console.drawer_wording import closed_message
    from payments.journeys import drawers

    with open_transaction() as tx:
        found = drawers.close(tx, drawer_id, drawers.Stamp(datetime.now(UTC), current_user()))
        _audit(tx, "closed drawer", drawer_id, closed_message(found), found.drawer.company_id)
        print_line(closed_message(found))


@report_command(DrawersParameters)
def list_drawers(parameters: DrawersParameters, output: Output) -> None:
    """Show the newest 500 drawers, the newest day first. An open drawer has no amounts yet."""
    from payments.journeys import drawers

    with open_report() as tx:
        show(drawer_records(drawers.list_drawers(tx, chosen_filter(tx, parameters))), DRAWERS, output)


app.command("list", epilog="Example: payments drawers list --clinic north --from 2026-11-02")(list_drawers)


@app.command("show", epilog="Example: payments drawers show 12")
def show_drawer(
    drawer_id: DrawerArgument,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Show the day sheet of a drawer: its balance by method, and its payments. CSV has the payments only."""
    from payments.journeys import drawers

    output = Output(output_format, 0, is_raw=raw)
    output.check()
    with open_report() as tx:
        sheet = drawers.show(tx, drawer_id)
        methods, payments = method_records(sheet.summary), payment_records(sheet.lines)
        (drawer,) = drawer_records([sheet.summary])
        if output_format is OutputFormat.JSON:
            print_pieces(object_pieces(drawer, {"methods": methods, "payments": payments}))
            return
        if output_format is OutputFormat.TABLE:
            show([drawer], DRAWERS, Output(limit=0))
            show(methods, DRAWER_METHODS, Output(limit=0))
        show(payments, DRAWER_PAYMENTS, output)


def _parse_cash(text: str) -> CashCount:
    """Return the bills and coins in a text such as `3x20.00,8x0.25`. Raises CommandError for any other text."""
    from console.row_ids import parse_count
    from payments.contract.money import dollars
    from payments.core.drawer import DENOMINATIONS, CashCount

    name_by_value = {value: name for name, value in reversed(tuple(DENOMINATIONS.items()))}
    found: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        number, _, value = part.partition("x")
        try:
            name = name_by_value[dollars(value)]
            found[name] = found.get(name, 0) + parse_count(number)
        except (KeyError, ValueError):
            values = ", ".join(sorted({str(each) for each in name_by_value}, key=Decimal, reverse=True))
            message = f"--cash: {part!r} is not NUMBERxVALUE, such as 3x20.00; the values are {values}"
            raise CommandError(message, exit_status=2) from None
    return CashCount(**found)


def _audit(tx: Transaction, action: str, drawer_id: int, detail: str, company_id: str) -> None:
    from payments.access import audit

    row = audit.AuditEntry(
        datetime.now(UTC), current_user(), action, f"drawer {drawer_id}", detail, company_id=company_id
    )
    audit.add(tx, row)
