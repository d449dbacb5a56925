"""Commands that cannot be undone: the question on a real terminal, --yes, --dry-run, and scripts without a terminal."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.journeys import requeue_runs
from payments.store.db.connection import Database, transaction
from tests.builders.digests import table_digests
from tests.builders.events import deleted_payment, paid, saved_charge, saved_payment
from tests.builders.kept_entries import publish_kept_entries
from tests.console.cli.closed_april_company import ClosedAprilCompany
from tests.console.cli.conftest import Answer
from tests.console.conftest import CHEAP, CommitBeforeCall, Terminal

pytestmark = pytest.mark.slow

PrepareCommand = Callable[[ClosedAprilCompany], list[str]]


def _prepare_close(company: ClosedAprilCompany) -> list[str]:
    company.import_events(saved_payment(**paid("30.00", "2020-05-02"), **company.other_ids))
    return ["months", "close", company.id, "2020-05"]


def _prepare_accept(company: ClosedAprilCompany) -> list[str]:
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    return ["exceptions", "accept", company.exception_id()]


def _prepare_accept_all(company: ClosedAprilCompany) -> list[str]:
    company.publish(
        deleted_payment(version=2, **company.ids), saved_payment(**paid("35.00", "2020-04-30"), **company.other_ids)
    )
    return ["exceptions", "accept", "--all", "--company", company.id]


def _prepare_acknowledge(company: ClosedAprilCompany) -> list[str]:
    company.publish(saved_payment(version=2, **paid("35.00", "2020-04-08"), **company.ids))
    return ["exceptions", "acknowledge", company.exception_id(), "--reason", "agreed"]


def _prepare_requeue(company: ClosedAprilCompany) -> list[str]:
    company.set_clinic(company.id, ChargeType.SUPPLIES, company_id=company.id)
    late = {"saved_at": datetime.now(UTC).isoformat()} | company.ids
    events = (saved_payment(**paid("9.00", "2020-06-01"), **late | {"payment_id": each}) for each in "ab")
    company.import_events(*events)
    return ["requeue", "--status", "not-sent", "--clinic", company.id]


def _prepare_disable(company: ClosedAprilCompany) -> list[str]:
    with transaction(company.database) as tx:
        now, user = datetime.now(UTC), User(company.id, Role.BILLING)
        authentication.add_user(tx, user, NewPassword("long enough it is", CHEAP), now, "tests")
        authentication.create_token(tx, company.id, now, "tests")
    return ["users", "disable", company.id]


def _prepare_distribute(company: ClosedAprilCompany) -> list[str]:
    company.publish(saved_charge("c1", "20.00", **company.ids, date_of_service="2020-04-08"))
    return ["distribute"]


def _prepare_replay(company: ClosedAprilCompany) -> list[str]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as feed:
        publish_kept_entries(feed, saved_payment(**paid("30.00", "2020-05-02"), **company.other_ids))
    return ["replay", "--since", "2020-01-01"]


COMMAND_AND_QUESTION: dict[str, tuple[PrepareCommand, str]] = {
    "months close": (_prepare_close, "Payments total: 30.00. A closed month cannot be reopened. Close it?"),
    "exceptions accept": (
        _prepare_accept,
        "1 of 1 exception would be accepted, and 1 entry with a sum of 10.00 posted.",
    ),
    "exceptions accept --all": (
        _prepare_accept_all,
        "2 of 2 exceptions would be accepted, and 2 entries with a sum of 10.00 posted.",
    ),
    "exceptions acknowledge": (_prepare_acknowledge, "the EMR and Billing would still differ by 10.00."),
    "requeue --status": (_prepare_requeue, "2 payments with a sum of 18.00 would be requeued. Requeue?"),
    "users disable": (_prepare_disable, "This would end 1 session or token. Disable the user?"),
    "replay": (_prepare_replay, "1 entry would change data in Billing. Import them again?"),
    "distribute": (_prepare_distribute, "would be made. Allocations cannot be deleted. Distribute?"),
}
each_command = pytest.mark.parametrize(("prepare", "question"), COMMAND_AND_QUESTION.values(), ids=COMMAND_AND_QUESTION)


@pytest.fixture
def company(terminal: Terminal, ledger_database: Database) -> ClosedAprilCompany:
    return ClosedAprilCompany(terminal, ledger_database)


@each_command
@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04", "no\n", "yes please\n", "j\n"])
def test_any_answer_but_yes_changes_nothing(
    company: ClosedAprilCompany,
    terminal: Terminal,
    type_answer: Answer,
    prepare: PrepareCommand,
    question: str,
    typed: str,
) -> None:
    line = prepare(company)
    before = table_digests(company.database)
    type_answer(typed)

    result = terminal.run(*line)

    assert result.status == 1
    assert question in result.err
    assert result.err.endswith("not confirmed; nothing was changed\n")
    assert table_digests(company.database) == before


@each_command
@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("typed", ["y\n", "Yes\n"])
def test_yes_runs_the_command(
    company: ClosedAprilCompany,
    terminal: Terminal,
    type_answer: Answer,
    prepare: PrepareCommand,
    question: str,
    typed: str,
) -> None:
    line = prepare(company)
    before = table_digests(company.database)
    type_answer(typed)

    result = terminal.run(*line)

    assert result.status == 0, result
    assert question in result.err
    assert table_digests(company.database) != before


@each_command
@pytest.mark.usefixtures("feed", "type_answer")
def test_option_yes_skips_the_question(
    company: ClosedAprilCompany, terminal: Terminal, prepare: PrepareCommand, question: str
) -> None:
    line = prepare(company)
    before = table_digests(company.database)

    result = terminal.run(*line, "--yes")

    assert (result.status, result.err) == (0, "")
    assert question not in result.out
    assert table_digests(company.database) != before


@each_command
@pytest.mark.usefixtures("feed")
def test_command_without_a_terminal_asks_no_question(
    company: ClosedAprilCompany, terminal: Terminal, prepare: PrepareCommand, question: str
) -> None:
    line = prepare(company)
    before = table_digests(company.database)

    result = terminal.run(*line)

    assert (result.status, result.err) == (0, "")
    assert question not in result.out
    assert table_digests(company.database) != before


@pytest.mark.parametrize("prepare", [prepare for prepare, _ in COMMAND_AND_QUESTION.values()], ids=COMMAND_AND_QUESTION)
@pytest.mark.usefixtures("feed", "type_answer")
@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_dry_run_shows_the_effect_and_changes_nothing(
    company: ClosedAprilCompany, terminal: Terminal, prepare: PrepareCommand, more: tuple[str, ...]
) -> None:
    line = prepare(company)
    before = table_digests(company.database)

    result = terminal.run(*line, "--dry-run", *more)

    assert (result.status, result.err) == (0, "")
    assert result.out
    assert table_digests(company.database) == before


def test_exception_that_changes_before_the_answer_stays_open(
    company: ClosedAprilCompany, terminal: Terminal, type_answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.publish(
        deleted_payment(version=2, **company.ids), saved_payment(**paid("35.00", "2020-04-30"), **company.other_ids)
    )
    original = sys.stdin.readline

    def save_again() -> str:
        company.publish(saved_payment(version=2, **paid("45.00", "2020-04-30"), **company.other_ids))
        return original()

    monkeypatch.setattr(sys.stdin, "readline", save_again, raising=False)
    type_answer("y\n")

    result = terminal.run("exceptions", "accept", "--all", "--company", company.id)

    assert (result.status, result.out.splitlines()[-1]) == (1, "1 of 2 exceptions accepted")
    assert "has changed since you confirmed; it is still open" in result.err
    (row,) = company.exceptions()
    assert row["amount_now"] == "45.00"


def test_nothing_is_requeued_if_more_match_than_confirmed(
    company: ClosedAprilCompany, terminal: Terminal, type_answer: Answer, commit_before_call: CommitBeforeCall
) -> None:
    line, late = _prepare_requeue(company), {"saved_at": datetime.now(UTC).isoformat()} | company.ids
    more = saved_payment(**paid("9.00", "2020-06-01"), **late | {"payment_id": "c"})
    commit_before_call(requeue_runs, "start_run", lambda: company.import_events(more))
    type_answer("y\n")

    result = terminal.run(*line)

    assert result.status == 1
    assert "3 payments match now, you confirmed 2; nothing was requeued" in result.err


def test_requeue_says_that_fewer_match_than_were_confirmed(
    company: ClosedAprilCompany, terminal: Terminal, type_answer: Answer, commit_before_call: CommitBeforeCall
) -> None:
    line, late = _prepare_requeue(company), {"saved_at": datetime.now(UTC).isoformat()} | company.ids
    changes = paid("9.00", "2020-06-01") | late | {"payment_id": "a", "charge_type": "Supplies", "version": 2}
    gone = saved_payment(**changes)
    commit_before_call(requeue_runs, "start_run", lambda: company.import_events(gone))
    type_answer("y\n")

    result = terminal.run(*line)

    assert result.out.splitlines()[-1] == "1 payment requeued; 1 of the 2 that you confirmed no longer match"


@pytest.mark.usefixtures("type_answer")
def test_no_question_is_asked_if_nothing_would_change(company: ClosedAprilCompany, terminal: Terminal) -> None:
    line = _prepare_accept(company)
    assert terminal.run(*line, "--yes").status == 0

    assert terminal.run(*line).status == 0
    assert terminal.run("requeue", "--status", "not-sent", "--clinic", company.id).out.endswith("0 payments requeued\n")
