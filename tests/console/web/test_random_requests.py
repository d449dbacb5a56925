"""Random requests to every page and API call, in every role, get a response or an error message, never status 500."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.engines import Engines
from config.settings import read_settings
from console.web.app import PAGES, create_app
from console.web.filters import PageQuery
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import Method
from payments.core.finding import FindingStatus
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import NOW, saved_patient, saved_payment
from tests.console.strategies import numbers_and_days, words
from tests.console.web.conftest import (
    CHEAP,
    CLINIC,
    PASSWORD,
    Browser,
    client_at,
    csrf_of,
    open_as_owner,
    send_login,
    serve,
)
from tests.engines import scratch_database
from tests.examples import example_count

pytestmark = pytest.mark.slow

EXAMPLES = example_count(15)
CONSOLE_FOLDER = Path(__file__).resolve().parents[3] / "console"
# Names that no drawn request contains. Otherwise a request could disable one of these users.
USER_NAMES = {role: f"asks-as-{role}" for role in Role}
# /logout would end the session.
EXCLUDED_PATHS = {"/logout", "/metrics"}


def _read_field_names() -> set[str]:
    """Return every field name that a page or API call reads from a query, a form or a body."""
    filters, names = [PageQuery], set()
    for each in filters:
        filters += each.__subclasses__()
        names |= set(each.model_fields)
    for path in CONSOLE_FOLDER.rglob("*.py"):
        names |= set(re.findall(r"""form\.get(?:list)?\(["'](\w+)""", path.read_text()))
    return names | set(LIKELY_VALUES)


PAYMENT_KEY = f"{CLINIC}/payment/1"
# Valid values, to which odd ones are added.
LIKELY_VALUES: dict[str, list[object]] = {
    "clinic": [CLINIC, "south"],
    "company": ["company"],
    "patient": ["patient"],
    "month": ["2026-05", "2026-06"],
    "confirm": ["2026-05", "2026-06"],
    "payment": [PAYMENT_KEY, f"{CLINIC}/early/1"],
    "payments": [[PAYMENT_KEY], [f"{CLINIC}/early/1", "nobody/knows/1"]],
    "version": [1, 2],
    "exception": ["1.1", "2.1"],
    "reason": ["seen to", "patient_not_found"],
    "deposit_date": ["", "2026-06-20"],
    "integration": ["on", "off"],
    "type": ["Copay"],
    "to": ["south"],
    "role": ["billing"],
    "name": ["ann", "bob"],
    "password": ["long enough to be valid"],
    "since": ["2026-01-01"],
    "until": ["2026-12-31"],
}
FIELD_NAMES = sorted(_read_field_names())
ROUTES = sorted(
    (method, route.path_format)
    for page in PAGES
    for route in page.router.routes
    if isinstance(route, APIRoute) and route.path not in EXCLUDED_PATHS
    for method in route.methods
)

routes = st.sampled_from(ROUTES)
MORE_WORDS = (
    *Method,
    *FindingStatus,
    *Role,
    "true",
    "xlsx",
    CLINIC,
    PAYMENT_KEY,
    "0000-00-00",
    "9999-12-31",
    "25.00",
    "1",
)
ODD_WORDS = ("\0", "<script>", "../../etc")
odd_text = words(*MORE_WORDS, *ODD_WORDS) | st.text(max_size=40) | numbers_and_days
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=4,
)
likely_fields = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in LIKELY_VALUES.items()})
usual_fields = st.just({}) | likely_fields
query_fields = st.tuples(usual_fields, st.dictionaries(st.sampled_from(FIELD_NAMES), odd_text, max_size=3)).map(
    lambda two: two[0] | two[1]
)
body_fields = st.tuples(usual_fields, st.dictionaries(st.sampled_from(FIELD_NAMES), odd_json, max_size=3))
body_texts = body_fields.map(lambda two: json.dumps(two[0] | two[1])) | st.text(max_size=40)
path_numbers = st.integers(1, 4).map(str) | odd_text


def fill_ledger(database: Database) -> None:
    with transaction(database) as tx:
        for role in Role:
            authentication.add_user(tx, User(USER_NAMES[role], role), NewPassword(PASSWORD, CHEAP), NOW, "tests")
    ClinicLedger(database).publish(
        CLINIC,
        saved_patient(),
        saved_payment("25.00", clinic_id=CLINIC),
        saved_payment("5.00", clinic_id=CLINIC, payment_id="other"),
    )
    ClinicLedger(database).import_events(
        b"no event", saved_payment("9.00", clinic_id=CLINIC, payment_id="early", patient_id="late")
    )


@pytest.fixture(scope="module")
def site(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a separate console with a few payments, which the requests may change."""
    home = read_settings({"PAYMENTS_HOME": str(tmp_path_factory.mktemp("any"))})
    with scratch_database(postgres_url, ledger_template) as url:
        app = create_app(home, Engines.from_urls(url, redis_url))
        with open_as_owner(app) as database:
            fill_ledger(database)
        with serve(app) as address:
            yield address
        app.state.console.database.dispose()
        app.state.console.feed.close()


@pytest.fixture(scope="module")
def browsers(site: str) -> Iterator[list[Browser]]:
    """A logged-in browser of each role."""
    found = [Browser(client_at(site), name) for name in USER_NAMES.values()]
    for browser in found:
        assert send_login(browser.client, browser.name, PASSWORD).status_code == 303
        assert browser.csrf
    yield found
    for browser in found:
        browser.client.close()


def test_no_request_causes_a_server_error(site: str, browsers: list[Browser]) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from([*browsers, *(each for each in browsers if "admin" in each.name)]), routes, st.data())
    def check(browser: Browser, route: tuple[str, str], data: st.DataObject) -> None:
        method, path = route
        filled = re.sub(r"\{\w+\}", lambda _: quote(data.draw(path_numbers), safe=""), path)
        query = {
            name: str(value).encode("utf-8", "replace").decode() for name, value in data.draw(query_fields).items()
        }
        headers = {"x-csrf-token": browser.csrf}
        if method == "POST" and path.startswith("/api/"):
            body = data.draw(body_texts).encode("utf-8", "replace")
            answer = browser.client.post(filled, content=body, headers=headers | {"content-type": "application/json"})
        elif path == "/login" and method == "POST":
            with client_at(site) as anonymous_client:
                answer = anonymous_client.post(path, data={"csrf": csrf_of(anonymous_client.get("/login")), **query})
        elif method == "POST":
            answer = browser.client.post(filled, data=query, headers=headers)
        else:
            answer = browser.client.request(method, filled, params=query, headers=headers)

        assert answer.status_code < 500, answer.text[-500:]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if answer.status_code >= 400 and answer.headers["content-type"].startswith("application/json"):
            message = answer.json()["error"]
            assert message
            assert "\n" not in message

    check()


@pytest.mark.parametrize("path", ["/claims-feed", "/api/claims-feed", "/exceptions/1/accept", "/%00", "/api/%ff", "//"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "TRACE"])
def test_request_without_login_reveals_nothing(site: str, method: str, path: str) -> None:
    with client_at(site) as anonymous_client:
        answer = anonymous_client.request(method, path, headers={"content-type": "text/odd"}, content=b"\xff\0")

    assert 300 <= answer.status_code < 500
    assert "Traceback" not in answer.text
