"""Kept entries are on the stream, but the overview and the metrics do not count them as waiting."""

from collections.abc import Callable

from fastapi import FastAPI
from httpx import Client

from tasks.feed import stream
from tests.console.web.conftest import Browser
from tests.console.web.test_metrics import scrape

LoggedIn = Callable[[str], Browser]


def test_kept_entries_do_not_count_as_waiting(anonymous_client: Client, site: FastAPI, logged_in: LoggedIn) -> None:
    feed, name = site.state.console.feed, site.state.console.settings.stream
    stream.ensure_group(feed, name)
    for number in range(4):
        feed.xadd(name, {"event": "{}"}, id=f"{1_000 + number}-0" if number < 2 else "*")
    kept = [each.entry_id for each in stream.read_new(feed, [name], 2, "no-reply")[name]]
    feed.xack(name, stream.GROUP, *kept)
    try:
        found, page = scrape(anonymous_client), logged_in("operator").get("/").text
    finally:
        feed.delete(name)

    values = {name: found[f"payments_feed_{name}"][()] for name in ("length", "unread", "outstanding", "kept")}
    assert values == {"length": 2, "unread": 2, "outstanding": 0, "kept": 2}
    assert found["payments_feed_oldest_seconds"][()] < 60
    assert "2 waiting, 0 being imported" in page
