"""`payments emr`: the EMR's side of the feed, for trying things out: a file, a simulation, or Synthea's export."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer

from console.cli.arguments import day
from console.cli.progress import counter
from console.cli.session import Installation, current_installation, current_user, open_transaction
from console.cli.terminal import print_line

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from emr.client import Publishable, Sign

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_CHUNKS_A_SECOND = 10
# A year within those that an event may name, for some of a simulated day's dates lie before it or after.
_FIRST_DAY, _LAST_DAY = date(1901, 1, 1), date(2998, 12, 31)

ClinicsOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many clinics.")]
DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="How many days of their work.")]
SeedOption = Annotated[int, typer.Option(min=-(2**31), max=2**31 - 1, help="The same seed gives the same days.")]
FirstDayOption = Annotated[
    date | None,
    typer.Option(parser=day, metavar="YYYY-MM-DD", help="Left out, the days are the last ones before today."),
]


class Simulation(NamedTuple):
    """How many clinics are played for how many days, from which day on."""

    clinics: int
    days: int
    seed: int
    first_day: date


@app.command(
    epilog="Example: payments emr publish events.jsonl\n\nExample: head -n 1 events.jsonl | payments emr publish -"
)
def publish(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One event a line; `-` is the standard input.", show_default=False)
    ],
    sign_with: Annotated[
        Path | None,
        typer.Option(metavar="KEYS", help="Sign with the last key of each event's company in this file of keys."),
    ] = None,
) -> None:
    """Put each line of a file on the feed as it stands, broken ones too: Billing says what is wrong with them."""
    with contextlib.nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as lines:
        at, sign = current_installation(), _signing(sign_with) if sign_with else None
        _confirm(_send(at, _lines(lines), sign=sign), at)


@app.command(
    epilog="Example: payments emr simulate --clinics 5 --days 14 --seed 7\n\n"
    "Example: payments emr simulate --clinics 2 --days 1 --seed 1 --first-day 2026-10-05 --rate 20"
)
def simulate(
    clinics: ClinicsOption = 5,
    days: DaysOption = 14,
    seed: SeedOption = 7,
    first_day: FirstDayOption = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Events a second at most; left out, all at once.")] = None,
) -> None:
    """Play the front desks of some clinics, and set these clinics up in Billing.

    The days hold what real ones hold: corrections, deletions, refunds, late and doubled events.
    """
    simulation = Simulation(clinics, days, seed, _begin(first_day, days))
    at = current_installation()
    _confirm(play(at, simulation, rate), at)


@app.command(epilog="Example: payments emr payment-log --clinics 5 --days 14 --seed 7 --first-day 2026-10-05 > log.csv")
def payment_log(
    clinics: ClinicsOption = 5,
    days: DaysOption = 14,
    seed: SeedOption = 7,
    first_day: FirstDayOption = None,
) -> None:
    """Print what the EMR's own Payment Log says after a simulation, to balance against it: `--emr-csv`."""
    from emr.payment_log import write_payment_log
    from emr.simulator import simulate as simulated

    write_payment_log((each.event for each in simulated(clinics, days, seed, _begin(first_day, days))), sys.stdout)


@app.command(epilog="Example: payments emr replay-synthea ~/synthea/output/csv")
def replay_synthea(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of a Synthea CSV export.", exists=True, file_okay=False)
    ],
) -> None:
    """Publish the patients and their payments of a Synthea CSV export.

    Clinics that have no settings yet are switched on for all charge types.
    """
    from emr.synthea import read_export

    export = read_export(folder)
    at = current_installation()
    fresh = _switch_on(at, export.clinics, export.company_id)
    count = _send(at, chain(export.patients(), export.payments()))
    _confirm(count, at)
    print_line(
        f"{export.payment_count:,} payments of {export.payments_total:,.2f} in all, from {len(export.clinics):,} "
        f"clinics of company {export.company_id}; {fresh:,} of them newly set up."
    )


def _begin(first_day: date | None, days: int) -> date:
    """Return the first day of a simulation; refuse days that no event may name."""
    begin = first_day or datetime.now(UTC).date() - timedelta(days=days)
    if not _FIRST_DAY <= begin <= _LAST_DAY - timedelta(days=days):
        raise typer.BadParameter(f"the days have to lie from {_FIRST_DAY} to {_LAST_DAY}", param_hint="'--first-day'")
    return begin


def play(at: Installation, simulation: Simulation, rate: int | None = None) -> int:
    """Set the simulated clinics up, publish their days, and return how many events that were."""
    from emr.simulator import clinics_of
    from emr.simulator import simulate as simulated
    from payments.journeys import configuring

    now = datetime.now(UTC)
    with open_transaction(at.engines) as tx:
        for clinic in clinics_of(simulation.clinics, simulation.seed):
            wish = configuring.SettingsUpdate(clinic.clinic_id, clinic.company_id, clinic.integration, clinic.types)
            configuring.set_clinic(tx, wish, now=now, who="simulator")
    events = (each.event for each in simulated(*simulation))
    return _send(at, _paced(events, rate) if rate else events, rate)


def _switch_on(at: Installation, clinics: Iterable[str], company: str) -> int:
    """Set those clinics up that have no settings, for all charge types; return how many."""
    from payments.contract.event import ChargeType
    from payments.journeys import configuring

    now, fresh = datetime.now(UTC), 0
    with open_transaction(at.engines) as tx:
        known = {row.clinic for row in configuring.show_clinics(tx, now) if row.integration or row.types}
        for clinic in clinics:
            if clinic not in known:
                wish = configuring.SettingsUpdate(clinic, company, integration=True, charge_types=list(ChargeType))
                configuring.set_clinic(tx, wish, now=now, who=current_user())
                fresh += 1
    return fresh


def _signing(path: Path) -> Sign:
    from config.signing_keys import read_keys
    from emr.client import SigningKey
    from payments.contract.partial_event import read_partial_event

    last = {company: SigningKey(*list(keys.items())[-1]) for company, keys in read_keys(path).items()}

    def sign(body: bytes) -> str | None:
        key = last.get(read_partial_event(body).company_id or "")
        return key.sign(body) if key else None

    return sign


def _send(at: Installation, events: Iterable[Publishable], rate: int | None = None, sign: Sign | None = None) -> int:
    from emr.client import CHUNK_EVENTS, PaymentFeed

    chunk = min(CHUNK_EVENTS, max(1, rate // _CHUNKS_A_SECOND)) if rate else CHUNK_EVENTS
    with (
        _tracer(at) as tracer,
        PaymentFeed(at.engines.redis_url, at.settings.stream, at.settings.streams, sign=sign, tracer=tracer) as feed,
        counter("Publishing", "events") as on_progress,
    ):
        return feed.publish_many(events, chunk=chunk, on_progress=on_progress)


@contextlib.contextmanager
def _tracer(at: Installation) -> Iterator[Tracer | None]:
    """Give what the events are traced with, where a collector is named, and send the rest of it at the end."""
    from config.tracing import tracer_provider

    provider = tracer_provider(at.settings.traces_url, "emr")
    if provider is None:
        yield None
        return
    try:
        yield provider.get_tracer("payments")
    finally:
        provider.shutdown()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if body := line.rstrip(b"\r\n"):
            yield body


def _paced(events: Iterable[Publishable], rate: int) -> Iterator[Publishable]:
    started = time.monotonic()
    for number, event in enumerate(events):
        ahead = started + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        yield event


def _confirm(count: int, at: Installation) -> None:
    print_line(f"{count:,} event{'' if count == 1 else 's'} published on {at.settings.stream}")
