"""What Prometheus reads is there, with the names that the dashboard and the alarms use."""

import json
import re
from pathlib import Path

from httpx import Client
from prometheus_client.parser import text_string_to_metric_families

from console.measures import METRICS
from tests.console.web.conftest import METRICS_TOKEN, Ledger
from tests.make import saved

OPS = Path(__file__).resolve().parents[3] / "docs" / "ops"
NAME = re.compile(r"payments_[a-z_]+")
Figures = dict[str, dict[tuple[str, ...], float]]


def scraped(stranger: Client) -> Figures:
    """Return every figure by its name and, sorted, the values of its labels."""
    answer = stranger.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    assert answer.status_code == 200
    return {
        family.name: {tuple(sorted(sample.labels.values())): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(answer.text)
    }


def test_every_figure_is_there_and_counts_what_is_in_the_ledger(stranger: Client, ledger: Ledger) -> None:
    before = scraped(stranger)
    ledger.imports("measured", saved(clinic_id="measured", internal_payment=True), b"{no event, measured")
    after = scraped(stranger)

    assert set(after) == set(METRICS)
    for labels in (("Not Sent", "internal_payment"), ("Validation Failed", "invalid_event")):
        assert after["payments_count"][labels] - before["payments_count"].get(labels, 0) == 1
    assert after["payments_feed_up"] == {(): 1}
    assert after["payments_feed_length"] == {(): 0}
    assert after["payments_import_chunks"][()] >= 1


def test_the_dashboard_shows_every_figure_and_no_other() -> None:
    dashboard = json.loads((OPS / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]

    assert {name for expression in expressions for name in NAME.findall(expression)} == set(METRICS)


def test_the_alarms_watch_only_figures_that_there_are() -> None:
    alarms = (OPS / "alerts.yml").read_text()
    expressions = re.findall(r"^ +expr: (.+)$", alarms, re.MULTILINE)

    assert len(expressions) == alarms.count("- alert:")
    assert {name for expression in expressions for name in NAME.findall(expression)} <= set(METRICS)
