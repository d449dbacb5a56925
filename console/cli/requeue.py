"""`payments requeue`: process payments again that are not in Billing, with the current settings."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import reason_named, status_named
from console.cli.session import current_installation, current_user, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.plurals import plural

if TYPE_CHECKING:
    from payments.journeys.requeueing import Requeued


def requeue(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Payment keys, clinic/payment/line, as the Claims Feed prints them."),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(help="All payments with this status: `not-sent`, `transmission-pending` or `validation-failed`."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="With --status: only payments with this reason.")] = None,
    clinic: Annotated[str | None, typer.Option(help="With --status: only payments of this clinic.")] = None,
) -> None:
    """Requeue payments by their keys, or all with a status, and process them with the current settings.

    Payments that are in Billing already are skipped. An unknown key ends the command with status 1.
    """
    from payments.journeys import reporting, requeueing
    from tasks import enqueue

    keys = list(dict.fromkeys(keys or ()))
    if not keys and not status:
        raise CommandError("name payments by their keys, or choose them by --status", exit_status=2)
    if keys and (status or reason or clinic):
        raise CommandError("name payments by their keys or choose them by --status, not both", exit_status=2)
    choice = status and requeueing.RequeueFilter(status_named(status), reason_named(reason) if reason else None, clinic)
    settings, engines = current_installation()
    now = datetime.now(UTC)
    with open_transaction(engines) as tx:
        if choice:
            done = requeueing.requeue_matching(tx, choice, now, current_user())
        else:
            done = requeueing.requeue(tx, keys, now, current_user())
        unknown = [key for key in done.skipped if not reporting.timeline(tx, key)]
    skipped = [key for key in done.skipped if key not in unknown]
    _print_result(done, skipped, has_some=bool(choice) or keys != unknown)
    if done.count and not enqueue.enqueue_retry_due(settings, engines):
        print_line("The queue does not answer. The payments are processed as soon as it does.")
    if unknown:
        raise CommandError(f"there is no payment {', '.join(unknown)}; the Claims Feed prints the keys")


def _print_result(done: Requeued, skipped: list[str], *, has_some: bool) -> None:
    for key in skipped:
        print_line(f"{key}: skipped (already imported)")
    if has_some:
        print_line(f"{plural(done.count, 'payment')} requeued")
