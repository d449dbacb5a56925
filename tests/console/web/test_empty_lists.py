"""An empty list says why it is empty: no data yet, or a filter that matches nothing, and how to clear the filter."""

from collections.abc import Iterator

import pytest

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.store.db.connection import transaction
from tests.builders.events import NOW
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, open_as_owner, send_login, serve
from tests.engines import scratch_database

SENTENCE_AND_FILTER_BY_LIST = {
    "claims-feed": ("No payments yet.", "since=&until=&status=&reason=&clinic=&find=&amount=&as_of="),
    "payment-log": ("No payments in Billing yet.", "since=&until=&clinic=&patient=&method=&kind=&user=&group_by="),
    "exceptions": ("No open exceptions.", "reason=&case=&clinic=&patient=&since=&until=&status=open&as_of="),
}

OTHER_FILTER_BY_LIST = {"claims-feed": "amount=25.00", "payment-log": "method=Cash", "exceptions": "case=added"}


@pytest.fixture(scope="module")
def empty_console(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """An administrator's browser on a console without payments."""
    home = read_settings({"PAYMENTS_HOME": str(tmp_path_factory.mktemp("empty"))})
    with scratch_database(postgres_url, ledger_template) as url:
        app = create_app(home, Engines.from_urls(url, redis_url))
        with open_as_owner(app) as database, transaction(database) as tx:
            authentication.add_user(tx, User("ann", Role.ADMIN), NewPassword(PASSWORD, CHEAP), NOW, "tests")
        with serve(app) as address, client_at(address) as client:
            assert send_login(client, "ann", PASSWORD).status_code == 303
            yield Browser(client, "ann")
        app.state.console.database.dispose()
        app.state.console.feed.close()


@pytest.mark.parametrize("page", SENTENCE_AND_FILTER_BY_LIST)
def test_list_without_a_filter_says_that_there_is_nothing_yet(empty_console: Browser, page: str) -> None:
    nothing_yet, empty_form = SENTENCE_AND_FILTER_BY_LIST[page]

    for query in ("", f"?{empty_form}"):
        text = empty_console.client.get(f"/{page}{query}").text
        assert nothing_yet in text
        assert "No matching" not in text
        assert "Widen the dates" not in text


@pytest.mark.parametrize("page", SENTENCE_AND_FILTER_BY_LIST)
def test_list_with_dates_suggests_wider_dates(empty_console: Browser, page: str) -> None:
    for query in ("since=2026-06-01", "until=2026-06-30", "period=this_week"):
        text = empty_console.client.get(f"/{page}?{query}").text
        assert f'Widen the dates, or <a href="/{page}">clear the filter</a>.' in text


@pytest.mark.parametrize("page", SENTENCE_AND_FILTER_BY_LIST)
def test_list_with_another_filter_suggests_to_clear_it(empty_console: Browser, page: str) -> None:
    text = empty_console.client.get(f"/{page}?{OTHER_FILTER_BY_LIST[page]}").text

    assert f'<a href="/{page}">Clear the filter</a>.' in text
    assert "Widen the dates" not in text


@pytest.mark.parametrize("page", SENTENCE_AND_FILTER_BY_LIST)
def test_list_of_an_unknown_clinic_says_so(empty_console: Browser, page: str) -> None:
    answer = empty_console.client.get(f"/{page}?clinic=clnc-001")

    assert answer.status_code == 404
    assert "There is no clinic clnc-001." in answer.text


def test_grouped_log_without_payments_says_so(empty_console: Browser) -> None:
    text = empty_console.client.get("/payment-log?group_by=method").text

    assert "No payments in Billing yet." in text
