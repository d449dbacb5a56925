"""`payments emr`: publish events as an EMR does, from a file, a simulation or a Synthea export."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from console.cli.arguments import parse_date
from console.cli.progress import counter
from console.cli.session import CliContext, current_actor, current_context, open_transaction
from console.cli.terminal import print_line
from console.plurals import plural

if TYPE_CHECKING:
    from emr.client import Publishable, Sign

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_CHUNKS_A_SECOND = 10
# One year inside the range of the event contract, because events have dates before and after their day.
_FIRST_DAY, _LAST_DAY = date(1901, 1, 1), date(2998, 12, 31)

ClinicsOption = Annotated[int, typer.Option(min=1, max=10_000, help="Number of clinics.")]
DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="Number of days.")]
SeedOption = Annotated[int, typer.Option(min=-(2**31), max=2**31 - 1, help="The same seed produces the same events.")]
FirstDayOption = Annotated[
    date | None,
    typer.Option(
        parser=parse_date,
        metavar="YYYY-MM-DD",
        help="First simulated day. Default: chosen so that the last day is yesterday.",
    ),
]


class Simulation(NamedTuple):
    """The parameters of a simulation: the number of clinics and days, the seed, and the first day."""

    clinics: int
    days: int
    seed: int
    first_day: date


@app.command(
    epilog="Example: payments emr publish events.jsonl\n\nExample: head -n 1 events.jsonl | payments emr publish -"
)
def publish(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="One event per line; `-` reads the standard input.", show_default=False),
    ],
    sign_with: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYS", help="TOML file of signing keys. Each event is signed with the last key of its company."
        ),
    ] = None,
) -> None:
    """Publish each line of a file unchanged. Billing rejects invalid events with the reason.

    Blank lines, line ends and a byte order mark at the beginning of the file are not published. Signed events
    that `payments company late-events` has printed keep their original bytes and signatures.
    """
    from console.cli.event_lines import keeping_signatures, load_signing_function, read_lines

    with contextlib.nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as lines:
        context, sign = current_context(), load_signing_function(sign_with) if sign_with else None
        _print_published_count(_publish_events(context, read_lines(lines), sign=keeping_signatures(sign)), context)


@app.command(
    epilog="Example: payments emr simulate --clinics 5 --days 14 --seed 7\n\n"
    "Example: payments emr simulate --clinics 2 --days 1 --seed 1 --first-day 2026-10-05 --rate 20"
)
def simulate(
    clinics: ClinicsOption = 5,
    days: DaysOption = 14,
    seed: SeedOption = 7,
    first_day: FirstDayOption = None,
    rate: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of events per second. Default: no limit.")
    ] = None,
) -> None:
    """Simulate the front desks of some clinics, and set up these clinics in Billing.

    The events include corrections, deletions, refunds, late events and duplicates.
    """
    simulation = Simulation(clinics, days, seed, _start_day(first_day, days))
    context = current_context()
    _print_published_count(publish_simulation(context, simulation, rate), context)


@app.command(epilog="Example: payments emr payment-log --clinics 5 --days 14 --seed 7 --first-day 2026-10-05 > log.csv")
def payment_log(
    clinics: ClinicsOption = 5,
    days: DaysOption = 14,
    seed: SeedOption = 7,
    first_day: FirstDayOption = None,
) -> None:
    """Print the Payment Log that the EMR would export after a simulation, for `payments report balancing --emr-csv`."""
    from emr.payment_log import write_payment_log
    from emr.simulator import simulate as simulated

    write_payment_log((each.event for each in simulated(clinics, days, seed, _start_day(first_day, days))), sys.stdout)


@app.command(epilog="Example: payments emr replay-synthea ~/synthea/output/csv")
def replay_synthea(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with a Synthea CSV export.", exists=True, file_okay=False)
    ],
) -> None:
    """Publish the patients and payments of a Synthea CSV export.

    For each clinic without settings, the integration is turned on with all charge types. The whole folder is read
    first. If a row is invalid, nothing is published and no clinic is changed.
    """
    from emr.synthea import read_export

    export = read_export(folder)
    context = current_context()
    created = _turn_integrations_on(context, export.clinics, export.company_id)
    count = _publish_events(context, chain(export.patients(), export.payments()))
    _print_published_count(count, context)
    print_line(
        f"{plural(export.payment_count, 'payment')} with a total of {export.payments_total:,.2f} from "
        f"{plural(len(export.clinics), 'clinic')} of company {export.company_id}. Clinics newly set up: {created:,}."
    )


def _start_day(first_day: date | None, days: int) -> date:
    """Return the first day of a simulation.

    Raises BadParameter if the event contract does not allow one of its days.
    """
    start = first_day or datetime.now(UTC).date() - timedelta(days=days)
    if not _FIRST_DAY <= start <= _LAST_DAY - timedelta(days=days):
        raise typer.BadParameter(f"the days must be between {_FIRST_DAY} and {_LAST_DAY}", param_hint="'--first-day'")
    return start


def publish_simulation(context: CliContext, simulation: Simulation, rate: int | None = None) -> int:
    """Set up the simulated clinics and publish their events. Return the number of events."""
    from emr.simulator import clinics_of
    from emr.simulator import simulate as simulated
    from payments.journeys import configuring

    now, timezone, changed = datetime.now(UTC), context.settings.default_timezone, []
    with open_transaction(context.engines) as tx:
        before = {row.key: row for row in configuring.list_clinic_settings(tx, now)}
        for clinic in clinics_of(simulation.clinics, simulation.seed):
            update = configuring.SettingsUpdate(clinic.clinic_id, clinic.company_id, clinic.integration, clinic.types)
            row = configuring.set_clinic(tx, update, now=now, who="simulator", default_timezone=timezone)
            if before.get(row.key, row) != row:
                changed.append(row.clinic)
    if changed:
        print_line(f"Settings replaced by those of the simulation: {', '.join(changed)}.")
    events = (each.event for each in simulated(*simulation))
    return _publish_events(context, _limit_rate(events, rate) if rate else events, rate)


def _turn_integrations_on(context: CliContext, clinics: Iterable[str], company: str) -> int:
    """For each clinic without settings, turn the integration on with all charge types.

    Return the number of these clinics.
    """
    from console import recorded_actions
    from payments.contract.event import ChargeType
    from payments.journeys import configuring

    actor, timezone = current_actor(), context.settings.default_timezone
    with open_transaction(context.engines) as tx:
        missing = configuring.unconfigured_clinic_ids(tx, company, clinics, actor.now)
        for clinic in missing:
            update = configuring.SettingsUpdate(clinic, company, integration=True, charge_types=list(ChargeType))
            recorded_actions.set_clinic(tx, actor, update, timezone)
    return len(missing)


def _publish_events(
    context: CliContext, events: Iterable[Publishable], rate: int | None = None, sign: Sign | None = None
) -> int:
    from console.cli.publishing import open_feed
    from emr.client import CHUNK_EVENTS

    chunk = min(CHUNK_EVENTS, max(1, rate // _CHUNKS_A_SECOND)) if rate else CHUNK_EVENTS
    with open_feed(context, sign) as feed, counter("Publishing", "events") as on_progress:
        return feed.publish_many(events, chunk=chunk, on_progress=on_progress)


def _limit_rate(events: Iterable[Publishable], rate: int) -> Iterator[Publishable]:
    started = time.monotonic()
    for number, event in enumerate(events):
        ahead = started + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        yield event


def _print_published_count(count: int, context: CliContext) -> None:
    print_line(f"{plural(count, 'event')} published on {context.settings.stream}")
