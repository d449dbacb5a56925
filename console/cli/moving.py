"""`payments company export` and `import`: move one company to another installation."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli import confirmation
from console.cli.arguments import FormatOption, RawOption, parse_identifier, parse_seconds
from console.cli.confirmation import YesOption
from console.cli.printing import Output, show
from console.cli.terminal import print_line, print_warning
from console.plurals import plural
from console.reports.company_moves import COMPANY_MOVE, move_record
from console.reports.output import OutputFormat

app = typer.Typer()

CompanyArgument = Annotated[str, typer.Argument(metavar="COMPANY", help="The company's id.")]


@app.command("export", epilog="Example: payments company export acme --to /srv/moves/acme")
def export_company(  # noqa: PLR0913 (each parameter is an option)
    company: CompanyArgument,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The directory of the export: a new or empty one.")],
    wait: Annotated[
        float,
        typer.Option(
            parser=parse_seconds,
            metavar="SECONDS",
            help="Maximum time to wait until the company's events are imported.",
        ),
    ] = 60,
    yes: YesOption = False,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Export a company, to import it into another installation. Pause the company's publisher first.

    After the export this installation keeps the company's rows unchanged, and the company's events are Not Sent. Events
    of other companies are imported during the export. An interrupted export can be repeated. The directory contains
    patient data.
    """
    from console.cli import company_export

    output = Output(output_format, is_raw=raw)
    output.check()
    company_id = parse_identifier(company, "COMPANY")
    if confirmation.must_ask(yes=yes):
        confirmation.confirm(f"Export company {company_id}? From then on its events are Not Sent here.")
    manifest, is_new = company_export.export(company_id, to, wait)
    show([move_record(manifest, "exported" if is_new else "exported before")], COMPANY_MOVE, output)
    if late := len(company_export.late_events(company_id)):
        print_warning(
            f"{plural(late, 'event')} of company {company_id} arrived after the export and became Not Sent; "
            f"`payments company late-events {company_id}` prints them"
        )


@app.command("cancel-export", epilog="Example: payments company cancel-export acme")
def cancel_export(company: CompanyArgument, *, yes: YesOption = False) -> None:
    """Cancel the export of a company that was not imported elsewhere. Its events are imported here again."""
    from console.cli import company_export

    company_id = parse_identifier(company, "COMPANY")
    if confirmation.must_ask(yes=yes):
        confirmation.confirm(
            f"Cancel the export of company {company_id}? Do this only if it was not imported elsewhere."
        )
    company_export.keep_company(company_id)
    print_line(f"Export of company {company_id} cancelled. Its events are imported here again.")


@app.command("import", epilog="Example: payments company import /srv/moves/acme")
def import_company(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of an export.", show_default=False)],
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Import a company that another installation has exported. It is imported completely, or not at all.

    Checksums, ledger totals and closed months are compared with the export. A company that has data here is refused.
    Run the command as the owner of the tables. An interrupted import can be repeated.
    """
    from console.cli import company_import

    output = Output(output_format, is_raw=raw)
    output.check()
    manifest, is_new = company_import.import_folder(folder)
    show([move_record(manifest, "imported" if is_new else "imported before")], COMPANY_MOVE, output)


@app.command(
    "late-events",
    epilog="Example: payments company late-events acme > late.jsonl\n\nThen, with the settings of the new "
    "installation: payments emr publish late.jsonl",
)
def print_late_events(company: CompanyArgument) -> None:
    """Print the events of a company that arrived here after its export, one per line.

    Publish them in the installation that has the company now, with `payments emr publish`. The line of a signed event
    holds the event's bytes in base64 and its signature.
    """
    from console.cli import company_export
    from console.cli.event_lines import to_line

    for event in company_export.late_events(parse_identifier(company, "COMPANY")):
        typer.echo(to_line(*event))
