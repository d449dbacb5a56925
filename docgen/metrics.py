"""The reference page of the Prometheus metrics, from the metric definitions of the console."""

from console.web.metric_definitions import METRICS
from docgen.markdown import code, heading, table

_INTRODUCTION = """
The console serves these metrics at `/metrics` once `PAYMENTS_METRICS_TOKEN` is set. Prometheus sends the token as
`Authorization: Bearer ...`. All of them are gauges, which the console reads from PostgreSQL and Redis at each scrape.
The alert rules in `docs/ops/alerts.yml` and the dashboard in `docs/ops/grafana.json` use them.

"""


def render_page() -> str:
    """Return the page of the metrics."""
    rows = [(code(name), ", ".join(map(code, each.labels)), each.meaning) for name, each in METRICS.items()]
    return (
        heading("Metrics", "console/web/metric_definitions.py")
        + _INTRODUCTION
        + table(("Metric", "Labels", "Meaning"), rows)
    )
