"""`payments settings`: the integration switch and charge types of clinics."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import confirming
from console.cli.arguments import FormatOption, RawOption, parse_charge_types, parse_identifier
from console.cli.confirmation import YesOption
from console.cli.printing import Output, show
from console.cli.session import current_actor, default_timezone, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.output import OutputFormat
from console.reports.settings import SETTINGS, SETTINGS_HISTORY, settings_history_records, settings_records
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.configuring import ClinicRow

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


ClinicArgument = Annotated[str, typer.Argument(metavar="CLINIC", help="The clinic's id.")]
CompanyOption = Annotated[str, typer.Option(help="The id of the clinic's company.")]


class Switch(StrEnum):
    """A switch: on or off."""

    ON = "on"
    OFF = "off"


@app.command(
    "set",
    epilog='Example: payments settings set north --company acme --integration on --types "Copay,Deductible"\n\n'
    "Example: payments settings set north --company acme --types all\n\n"
    "Example: payments settings set north --company acme --integration off",
)
def set_clinic(
    clinic: ClinicArgument,
    company: CompanyOption,
    integration: Annotated[
        Switch | None, typer.Option(help="Send patient payments to Billing. Default: unchanged.")
    ] = None,
    types: Annotated[
        str | None,
        typer.Option(metavar="TYPES", help="Charge types to send, separated by commas, or `all`. Default: unchanged."),
    ] = None,
) -> None:
    """Change the settings of a clinic for payments saved from now on. The audit history records each change.

    A clinic's first settings also apply to earlier payments.
    """
    from console import recorded_actions
    from payments.journeys import configuring

    update = configuring.SettingsUpdate(
        parse_identifier(clinic, "CLINIC"),
        parse_identifier(company, "--company"),
        None if integration is None else integration is Switch.ON,
        None if types is None else parse_charge_types(types),
    )
    with open_transaction() as tx:
        row = recorded_actions.set_clinic(tx, current_actor(), update, default_timezone())
    charge_types = ", ".join(row.types) or "no charge types (name them with --types)"
    print_line(f"Clinic {row.clinic} of company {row.company}: integration {_on_or_off(row)}; {charge_types}.")


@app.command("show", epilog="Example: payments settings show\n\nExample: payments settings show north --format json")
def show_clinics(
    clinic: Annotated[str | None, typer.Argument(metavar="CLINIC", help="Only this clinic.")] = None,
    company: Annotated[str | None, typer.Option(help="Only clinics of this company.")] = None,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Show the settings of one clinic or of all clinics."""
    from payments.journeys import configuring

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction() as tx:
        rows = configuring.list_clinic_settings(tx, datetime.now(UTC), clinic, EVERYTHING.narrowed_to_company(company))
    if clinic and not rows:
        raise CommandError(f"there is no clinic {clinic}; `payments settings show` lists all clinics")
    show(settings_records(rows), SETTINGS, output)


@app.command("history", epilog="Example: payments settings history north --company acme")
def show_history(
    clinic: ClinicArgument,
    company: Annotated[str | None, typer.Option(help="The clinic of this company.")] = None,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Show the settings of a clinic over time, newest first.

    If several companies have the clinic's id, --company chooses one.
    """
    from payments.core.ambiguity import AmbiguousIdError
    from payments.journeys import configuring

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction() as tx:
        rows = configuring.list_clinic_settings(tx, datetime.now(UTC), clinic, EVERYTHING.narrowed_to_company(company))
        if len(rows) > 1:
            raise AmbiguousIdError(f"clinic {clinic}", (row.company for row in rows))
        if not rows:
            raise CommandError(f"there is no clinic {clinic}; `payments settings show` lists all clinics")
        history = configuring.show_history(tx, rows[0].key)
    show(settings_history_records(rows[0].key, history), SETTINGS_HISTORY, output)


@app.command("confirm", epilog="Example: payments settings confirm north --company acme")
def confirm_clinic(clinic: ClinicArgument, company: CompanyOption) -> None:
    """Confirm a clinic that was added by an event or retired by a user. Its company is confirmed too.

    The confirmation is recorded.
    """
    confirming.confirm(company, clinic)


@app.command("retire", epilog="Example: payments settings retire nroth --company acme")
def retire_clinic(clinic: ClinicArgument, company: CompanyOption, *, yes: YesOption = False) -> None:
    """Retire an empty clinic, for example one with a mistyped id. Its later events are Not Sent.

    The retirement is recorded.
    """
    confirming.retire(company, clinic, yes=yes)


def _on_or_off(row: ClinicRow) -> str:
    return Switch.ON if row.integration else Switch.OFF
