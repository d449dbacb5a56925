"""The overview and the metrics work with any id that a feed entry can have."""

import time
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from httpx import Client

from tests.console.web.conftest import Browser
from tests.console.web.test_metrics import scrape

ALARM_SECONDS = 300
LoggedIn = Callable[[str], Browser]


@pytest.mark.parametrize(
    "entry_id", ["1-1", "1791212400-1", "1791212400000000-1", "1830000000000-0", f"{2**64 - 1}-{2**64 - 1}"]
)
def test_foreign_entry_id_is_shown_and_raises_no_alarm(
    site: FastAPI, logged_in: LoggedIn, anonymous_client: Client, entry_id: str
) -> None:
    console = site.state.console
    console.feed.xadd(console.settings.stream, {"event": "{}"}, id=entry_id)
    try:
        page = logged_in("operator").get("/")
        metrics = scrape(anonymous_client)
    finally:
        console.feed.delete(console.settings.stream)

    assert page.status_code == 200
    assert metrics["payments_feed_length"] == {(): 1}
    assert 0 <= metrics["payments_feed_oldest_seconds"][()] < ALARM_SECONDS


def test_entry_id_generated_by_redis_raises_the_alarm(site: FastAPI, anonymous_client: Client) -> None:
    console = site.state.console
    an_hour_ago = int((time.time() - 3_600) * 1_000)
    for entry_id in ("1-1", f"{an_hour_ago}-0"):
        console.feed.xadd(console.settings.stream, {"event": "{}"}, id=entry_id)
    try:
        lag = scrape(anonymous_client)["payments_feed_oldest_seconds"][()]
    finally:
        console.feed.delete(console.settings.stream)

    assert 3_600 <= lag < 3_700
