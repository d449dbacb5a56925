"""`payments requeue`: have payments that did not come through judged again, by the settings of now."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import reason_named, status_named
from console.cli.session import current_installation, current_user, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError

if TYPE_CHECKING:
    from payments.journeys.requeueing import Requeued


def requeue(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="clinic/payment/line, as the Claims Feed prints it.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="All with this status: `not-sent`, `transmission-pending`, `validation-failed`.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Of these only those with this reason.")] = None,
    clinic: Annotated[str | None, typer.Option(help="Of these only those of this clinic.")] = None,
) -> None:
    """Have payments judged again, by the settings of now: by their keys, or all that share a status.

    A payment that is in Billing already needs nothing and is left alone; a key that no payment has ends it with 1.
    """
    from payments.journeys import reporting, requeueing
    from payments.journeys.requeueing import RequeueFilter
    from tasks import enqueue

    keys = list(dict.fromkeys(keys or ()))
    if not keys and not status:
        raise CommandError("name payments by their keys, or choose them by --status", exit_status=2)
    if keys and (status or reason or clinic):
        raise CommandError("name payments by their keys or choose them by --status, not both", exit_status=2)
    choice = status and RequeueFilter(status_named(status), reason_named(reason) if reason else None, clinic)
    settings, engines = current_installation()
    now = datetime.now(UTC)
    with open_transaction(engines) as tx:
        if choice:
            done = requeueing.requeue_matching(tx, choice, now, current_user())
        else:
            done = requeueing.requeue(tx, keys, now, current_user())
        unknown = [key for key in done.passed_over if not reporting.timeline(tx, key)]
    _tell(done, [key for key in done.passed_over if key not in unknown], has_some=bool(choice) or keys != unknown)
    if done.count and not enqueue.enqueue_retry_due(settings, engines):
        print_line("The queue does not answer now; they are taken up as soon as it does.")
    if unknown:
        raise CommandError(f"no payment is known as {', '.join(unknown)}; the Claims Feed prints the keys")


def _tell(done: Requeued, settled: list[str], *, has_some: bool) -> None:
    for key in settled:
        print_line(f"{key}: nothing to do; it is in Billing already")
    if has_some:
        print_line(f"{done.count:,} payment{'' if done.count == 1 else 's'} will be judged again")
