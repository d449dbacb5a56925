"""Users of every role can follow every link and submit every form of the pages that they see."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from config.engines import Engines
from config.settings import read_settings
from console.web.app import PAGES, create_app
from console.web.pages import audit, claims_feed, exceptions, payment_log
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Right, Role, User
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import (
    adjusting,
    closing,
    confirming,
    distributing,
    requeue_runs,
)
from payments.journeys.confirming import NamedClinic
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.journeys.requeueing import FeedFilter
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import (
    deleted_payment,
    event_body,
    paid,
    payment_fields,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, open_as_owner, send_login, serve
from tests.console.web.crawled_money import (
    COMPANY,
    ODD_PATIENT,
    add_deposits,
    add_drawers,
    add_manual_entries,
    relative_of,
    values_of_money_forms,
)
from tests.console.web.crawler import Crawler
from tests.console.web.scenarios import add_not_sent
from tests.engines import scratch_database

MAY = Month(2026, 5)
# For programs, and the page of a visitor who is not logged in.
PATHS_WITHOUT_PAGES = {"/metrics", "/health", "/alive", "/login"}
# Scripts ask for them; `test_newer_rows.py` does too.
ENDPOINTS_FOR_SCRIPTS = {f"GET /{each}/newer" for each in ("claims-feed", "exceptions", "payment-log")}
SEARCH_ADDRESS = "/search?q=sent"  # the search box has no button
# Short pages, because most of the time goes into their rows; and more than a page of each list.
PAGE_ROWS, MANY = 4, 9
ODD_PAYMENT = 'odd "id" & <b>#?'
# Administrators last: they disable others.
USERS = [
    User(f"{role}-of-north", role, Scope(frozenset({COMPANY}), frozenset({"north"})))
    for role in Role
    if role is not Role.ADMIN
] + [User(role.value, role) for role in Role]
THOROUGHLY_CRAWLED_USERS = {f"{Role.BILLING}-of-north", Role.ADMIN.value}


def fill_ledger(database: Database) -> None:
    """Store payments, exceptions, months, runs and accounts, so that no section of any page is empty."""
    ledger, now = ClinicLedger(database), datetime.now(UTC)
    last_month = str(now.date().replace(day=1) - timedelta(days=1))
    for clinic in ("north", "south"):
        old = [
            saved_payment(clinic_id=clinic, payment_id=f"old-{n}", **paid("25.00", "2026-05-05")) for n in range(MANY)
        ]
        ledger.publish(clinic, saved_patient(), *old)
    with transaction(database) as tx:
        closing.begin_close(tx, COMPANY, MAY, now, "user:billing")
        closing.finish_close(tx, COMPANY, MAY, now)
    for clinic in ("north", "south"):
        changed = paid("35.00", "2026-05-05", clinic_id=clinic, version=2)
        edited = [saved_payment(payment_id=f"old-{n}", **changed) for n in range(MANY - 2)]
        recent = paid("25.00", last_month, clinic_id=clinic)
        sent = [saved_payment(payment_id=f"sent-{n}", **recent) for n in range(3)]
        ledger.publish(
            clinic, *edited, *sent, deleted_payment(clinic_id=clinic, payment_id=f"old-{MANY - 1}", version=2)
        )
    add_odd_events(ledger, now)
    with transaction(database) as tx:
        distributing.distribute_accounts(tx, BEFORE_FIRST_ACCOUNT, now.date(), now, 5_000)
        first, second, *_ = adjusting.list_acceptable(tx, COMPANY)
        adjusting.accept(tx, first, None, now, "user:billing")
        adjusting.acknowledge(tx, second, "as agreed", now, "user:billing")
        # A run that counts as running for the whole test.
        requeue_runs.start_run(tx, FeedFilter(reason="invalid_event"), now + timedelta(hours=1), "user:support")


def add_odd_events(ledger: ClinicLedger, now: datetime) -> None:
    """Add ids with characters that need escaping, a held payment, a dead letter, a charge and Not Sent payments."""
    today = paid("10.00", str(now.date()), clinic_id="north")
    ledger.publish(
        "north",
        saved_patient(ODD_PATIENT),
        *(saved_patient(relative_of(user)) for user in USERS),
        saved_payment(payment_id="today", **today),
        saved_payment(payment_id=ODD_PAYMENT, patient_id=ODD_PATIENT, **today),
        saved_payment(payment_id="early", patient_id="nobody-yet", **today),
        saved_charge("charge-1", "15.00", clinic_id="north"),
        b"not an event",
        event_body(payment_fields(clinic_id="north", patient_id="named-by-a-refused-event", charge_type="Parking")),
    )
    add_not_sent(ledger, "north", *(f"out-{n}" for n in range(MANY)))
    ledger.import_events(saved_payment(company_id="typo", clinic_id="nroth", patient_id="new"))
    with transaction(ledger.database) as tx:
        confirming.retire(tx, NamedClinic("typo", None), now, "user:admin")


def add_users(database: Database) -> None:
    with transaction(database) as tx:
        for user in USERS:
            authentication.add_user(tx, user, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")


@pytest.fixture
def site(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FastAPI]:
    """A separate console with data on every page. The crawl may change and delete its data."""
    for page in (claims_feed, exceptions, payment_log, audit):
        monkeypatch.setattr(page, "PAGE_ROWS", PAGE_ROWS)
    with scratch_database(postgres_url, ledger_template) as url:
        app = create_app(read_settings({"PAYMENTS_HOME": str(tmp_path)}), Engines.from_urls(url, redis_url))
        with open_as_owner(app) as database:
            fill_ledger(database)
            add_manual_entries(database)
            add_drawers(database)
            add_deposits(database)
            add_users(database)
        yield app
        app.state.console.database.dispose()
        app.state.console.feed.close()


@pytest.mark.slow
def test_every_link_and_form_of_every_page_works_for_every_role(site: FastAPI) -> None:
    problems: list[str] = []
    reached: set[str] = set()
    flower = site.state.console.flower_url
    with serve(site) as address:
        for user in USERS:
            with client_at(address) as client:
                assert send_login(client, user.name, PASSWORD).status_code == 303
                crawler = Crawler(
                    Browser(client, user.name),
                    (flower,),
                    SEARCH_ADDRESS,
                    *task_pages(user),
                    is_thorough=user.name in THOROUGHLY_CRAWLED_USERS,
                )
                crawler.values_by_action = values_of_money_forms(user, USERS)
                crawler.crawl()
                problems += crawler.problems
                reached |= crawler.reached

    assert not problems, "\n".join(problems)
    assert page_routes() - reached == ENDPOINTS_FOR_SCRIPTS


def task_pages(user: User) -> list[str]:
    """Return the address of a task, to which only Flower links, or an empty list if the user may not see tasks."""
    return ["/import-tasks/1"] if user.may(Right.OPERATE) else []


def page_routes() -> set[str]:
    """Return the method and path of each page and form, as `Crawler.reached` names them."""
    routes = (route for page in PAGES for route in page.router.routes if isinstance(route, APIRoute))
    return {
        f"{method} {re.sub(r'{.*?}', '{}', route.path)}"
        for route in routes
        for method in route.methods
        if not route.path.startswith("/api/") and route.path not in PATHS_WITHOUT_PAGES
    }
