"""Two companies with identical ids: the API and the pages of each are the same as if it were alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from config.engines import Engines
from config.settings import read_settings
from console.reports.payment_log import GROUPS
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.store.db.connection import Database, transaction
from tests.console.conftest import CHEAP
from tests.console.identical_companies import ALPHA, BETA, IdenticalCompany
from tests.console.identical_ledgers import Ledgers, keys_of_each_kind, number_within_company, patients_of_each_kind
from tests.console.web.conftest import PASSWORD, Browser, client_at, send_login, serve

pytestmark = pytest.mark.slow

OPEN_MONTH = "2024-10"
DAYS_FILTER = {"since": "2024-09-28", "until": "2024-10-04"}
ALL_ROWS = {"limit": "1000"}
API_CALLS = [
    ("claims-feed", ALL_ROWS),
    ("claims-feed", ALL_ROWS | DAYS_FILTER | {"status": "Not Sent", "clinic": "clinic-002"}),
    ("exceptions", ALL_ROWS | {"status": "all"}),
    ("payment-log", ALL_ROWS),
    *(("payment-log", {"group_by": group}) for group in GROUPS.split("|")),
    ("balancing", DAYS_FILTER),
    ("balancing", {}),
]
PAGES_WITH_QUERY = [
    ("/", {"day": "2024-09-29"}),
    ("/claims-feed", {}),
    ("/claims-feed", {"status": "Validation Failed"}),
    ("/exceptions", {}),
    ("/exceptions", {"status": "all", "clinic": "clinic-001"}),
    ("/payment-log", {}),
    *(("/payment-log", {"group_by": group}) for group in GROUPS.split("|")),
    ("/payment-log/export", {"form": "csv"}),
    ("/balancing", DAYS_FILTER),
    ("/clinics", {}),
    ("/clinic", {"clinic": "clinic-001"}),
    ("/requeue-runs/new", {"status": "Not Sent"}),
]
OPERATOR, TOGETHER = "operator", "together"


class Console(NamedTuple):
    """A console on one database: its address and the browsers of its users, by name."""

    database: Database
    browsers: Mapping[str, Browser]

    def get(self, user: str, company: IdenticalCompany, path: str, query: Mapping[str, str]) -> str:
        """Return the response of a page or API call, with ids replaced by numbers within the company.

        Values that differ with each request are removed.
        """
        response = self.browsers[user].get(path, **query)
        assert response.status_code == 200, (path, query, response.text)
        without_tokens = re.sub(r'(?<=name="csrf" value=")\w+', "", response.text)
        without_positions = re.sub(r"(after|before)=[\w.%~-]+", r"\1=", without_tokens)
        return number_within_company(self.database, company.id, without_positions)


@contextmanager
def console(database: Database, redis_url: str, companies: Sequence[IdenticalCompany], home: Path) -> Iterator[Console]:
    """Serve a console on a database. Its users are OPERATOR for all companies, and one user for each company."""
    url = database.url.render_as_string(hide_password=False)
    app = create_app(read_settings({"PAYMENTS_HOME": str(home)}), Engines.from_urls(url, redis_url))
    users = [
        User(OPERATOR, Role.BILLING),
        *(User(each.id, Role.BILLING, Scope.of_companies(each.id)) for each in companies),
    ]
    with transaction(database) as tx:
        for user in users:
            authentication.add_user(tx, user, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")
    with serve(app) as address, ExitStack() as stack:
        browsers = {}
        for user in users:
            client = stack.enter_context(client_at(address))
            send_login(client, user.name, PASSWORD)
            browsers[user.name] = Browser(client, user.name)
        yield Console(database, browsers)
    app.state.console.database.dispose()
    app.state.console.feed.close()


@pytest.fixture(scope="module")
def consoles(
    ledgers: Ledgers, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Console]]:
    """A console for each company alone, by its id, and one for both companies, under the key TOGETHER."""
    home: Path = tmp_path_factory.mktemp("consoles")
    with (
        console(ledgers.alone[ALPHA.id], redis_url, [ALPHA], home) as alpha,
        console(ledgers.alone[BETA.id], redis_url, [BETA], home) as beta,
        console(ledgers.together, redis_url, [ALPHA, BETA], home) as together,
    ):
        yield {ALPHA.id: alpha, BETA.id: beta, TOGETHER: together}


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_api_is_unaffected_by_the_other_company(
    consoles: Mapping[str, Console], company: IdenticalCompany, ledgers: Ledgers
) -> None:
    alone, together = consoles[company.id], consoles[TOGETHER]
    keys, patients = keys_of_each_kind(alone.database), patients_of_each_kind(alone.database)
    requests = [
        *API_CALLS,
        *(("timeline", {"payment": key}) for key in keys),
        *(("account", {"patient": each}) for each in patients),
    ]
    for name, query in [*requests, ("months", {"company": company.id})]:
        wanted = alone.get(company.id, company, f"/api/{name}", query)
        assert together.get(company.id, company, f"/api/{name}", query) == wanted, name
        assert together.get(OPERATOR, company, f"/api/{name}", {**query, "company": company.id}) == wanted, name


@pytest.mark.parametrize("company", [ALPHA, BETA])
def test_pages_are_unaffected_by_the_other_company(
    consoles: Mapping[str, Console], company: IdenticalCompany, ledgers: Ledgers
) -> None:
    alone, together = consoles[company.id], consoles[TOGETHER]
    key, patient = keys_of_each_kind(alone.database)[0], patients_of_each_kind(alone.database)[0]
    requests = [
        *PAGES_WITH_QUERY,
        ("/timeline", {"payment": key}),
        ("/account", {"patient": patient}),
        ("/months", {"company": company.id, "month": OPEN_MONTH}),
    ]
    for path, query in requests:
        assert together.get(company.id, company, path, query) == alone.get(company.id, company, path, query), path
