"""The scale of the axis in the chart of payments by hour."""

import re

import pytest

from console.web.charts import flow_chart
from payments.journeys.dashboard import HourlyFlow


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0, "0 1 2 3 4"),
        (4, "0 1 2 3 4"),
        (9, "0 3 6 9 12"),
        (13, "0 5 10 15 20"),
        (21, "0 10 20 30 40"),
        (1_000, "0 300 600 900 1,200"),
    ],
)
def test_chart_scale_has_round_steps(most, labels):
    drawn = str(flow_chart([HourlyFlow(9, most, 0, 0, 0)]))

    assert re.findall(r'class="axis"[^>]*>([^<]+)<', drawn) == labels.split()
