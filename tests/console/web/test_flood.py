"""A flood of log-ins keeps nobody from the pages, and is told to come again where too many wait."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from httpx import Client

from console.web.pages import login
from console.web.pages.login import CONCURRENT_LOGINS
from tests.console.web.conftest import PASSWORD, Browser, csrf_of, send_login
from tests.console.web.stories import until


def test_pages_respond_while_100_logins_wait(
    site: FastAPI, visitor: Callable[[str], Browser], stranger: Client
) -> None:
    billing, form = visitor("billing"), {"csrf": csrf_of(stranger.get("/login")), "name": "billing"}

    with ThreadPoolExecutor(100) as crowd, site.state.console.transaction() as tx:
        # Every log-in asks this table first, so that none ends before the pages have come.
        tx.exec_driver_sql("LOCK TABLE login_failures")
        logins = [crowd.submit(stranger.post, "/login", data={**form, "password": PASSWORD}) for _ in range(100)]
        until(lambda: site.state.login_limiter.statistics().tasks_waiting >= 100 - CONCURRENT_LOGINS)
        pages = [billing.client.get(path, timeout=10).status_code for path in ("/", "/claims-feed", "/login")]
        assert not any(login.done() for login in logins)

    assert pages == [200] * 3
    assert {login.result().status_code for login in logins} == {303}


def test_login_is_refused_when_too_many_wait(site: FastAPI, stranger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "WAITING_MAX", 3)
    form = {"csrf": csrf_of(stranger.get("/login")), "name": "billing", "password": PASSWORD}

    with ThreadPoolExecutor(CONCURRENT_LOGINS + 3) as crowd, site.state.console.transaction() as tx:
        tx.exec_driver_sql("LOCK TABLE login_failures")
        logins = [crowd.submit(stranger.post, "/login", data=form) for _ in range(CONCURRENT_LOGINS + 3)]
        until(lambda: site.state.login_limiter.statistics().tasks_waiting == 3)
        late = stranger.post("/login", data=form)

    assert (late.status_code, "Too many people are logging in." in late.text) == (503, True)
    assert {login.result().status_code for login in logins} == {303}
    assert send_login(stranger, "billing", PASSWORD).status_code == 303
