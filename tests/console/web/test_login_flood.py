"""Many concurrent logins: pages still respond, and more logins are refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from httpx import Client

from console.web.pages import login
from console.web.pages.login import CONCURRENT_LOGINS
from payments.store.db.isolation import ALL_COMPANIES
from tests.console.web.conftest import PASSWORD, Browser, csrf_of, send_login
from tests.console.web.scenarios import wait_until


@pytest.mark.slow
def test_pages_respond_while_100_logins_wait(
    site: FastAPI, logged_in: Callable[[str], Browser], anonymous_client: Client
) -> None:
    billing, form = logged_in("billing"), {"csrf": csrf_of(anonymous_client.get("/login")), "name": "billing"}

    with ThreadPoolExecutor(100) as crowd, site.state.console.transaction(ALL_COMPANIES) as tx:
        # Every login reads this table first, so none finishes before the pages are served.
        tx.exec_driver_sql("LOCK TABLE login_failures")
        logins = [
            crowd.submit(anonymous_client.post, "/login", data={**form, "password": PASSWORD}) for _ in range(100)
        ]
        wait_until(lambda: site.state.login_limiter.statistics().tasks_waiting >= 100 - CONCURRENT_LOGINS)
        pages = [billing.client.get(path, timeout=10).status_code for path in ("/", "/claims-feed", "/login")]
        assert not any(login.done() for login in logins)

    assert pages == [200] * 3
    assert {login.result().status_code for login in logins} == {303}


def test_login_is_refused_when_too_many_wait(
    site: FastAPI, anonymous_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "WAITING_MAX", 3)
    form = {"csrf": csrf_of(anonymous_client.get("/login")), "name": "billing", "password": PASSWORD}

    with ThreadPoolExecutor(CONCURRENT_LOGINS + 3) as crowd, site.state.console.transaction(ALL_COMPANIES) as tx:
        tx.exec_driver_sql("LOCK TABLE login_failures")
        logins = [crowd.submit(anonymous_client.post, "/login", data=form) for _ in range(CONCURRENT_LOGINS + 3)]
        wait_until(lambda: site.state.login_limiter.statistics().tasks_waiting == 3)
        late = anonymous_client.post("/login", data=form)

    assert (late.status_code, "Too many people are logging in." in late.text) == (503, True)
    assert {login.result().status_code for login in logins} == {303}
    assert send_login(anonymous_client, "billing", PASSWORD).status_code == 303
