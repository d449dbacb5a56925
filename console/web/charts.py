"""Bar charts as SVG, rendered on the server so that pages need no script."""

from collections.abc import Sequence

from markupsafe import Markup

from payments.journeys.dashboard import HourlyFlow

SERIES = (
    ("saved", "Saved"),
    ("imported", "Imported"),
    ("retried", "Waiting for next attempt"),
    ("not_sent", "Not Sent"),
)
_WIDTH, _HEIGHT = 960, 220
_LEFT, _BOTTOM, _TOP = 44, 24, 10
_STEPS = (4, 8, 12, 20)


def flow_chart(flow: Sequence[HourlyFlow]) -> Markup:
    """Return the chart of a day's payments, with four bars per hour. The page also shows the numbers as a table."""
    highest = max((getattr(hour, name) for hour in flow for name, _ in SERIES), default=0)
    top = _round_up(highest)
    parts = [
        *_grid(top),
        *(bar for hour in flow for bar in _bars(hour, top)),
        *_hour_labels(flow),
        *_empty_note(highest),
    ]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="chart-title">'
        '<title id="chart-title">Payments by hour: saved, imported, waiting for next attempt, Not Sent</title>{}</svg>'
    ).format(_WIDTH, _HEIGHT, Markup("").join(parts))


def _round_up(highest: int) -> int:
    """Return the top of the scale: 4, 8, 12 or 20 times a power of ten, so that its quarters are round numbers."""
    size = 1
    while _STEPS[-1] * size < highest:
        size *= 10
    return next(step * size for step in _STEPS if step * size >= highest)


def _grid(top: int) -> list[Markup]:
    lines = []
    for quarter in range(5):
        y = _y(top * quarter // 4, top)
        label = f"{top * quarter // 4:,}"
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="axis" x="{}" y="{}">{}</text>'
            ).format(_LEFT, _WIDTH, y, y, _LEFT - 6, y + 4, label)
        )
    return lines


def _bars(hour: HourlyFlow, top: int) -> list[Markup]:
    slot = (_WIDTH - _LEFT) // 24
    width = (slot - 8) // len(SERIES)
    bars = []
    for position, (name, label) in enumerate(SERIES):
        count = getattr(hour, name)
        y = _y(count, top)
        x = _LEFT + hour.hour * slot + 4 + position * width
        if count:
            bars.append(
                Markup(
                    '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}:00 {}: {}</title></rect>'
                ).format(name, x, y, width - 1, _HEIGHT - _BOTTOM - y, f"{hour.hour:02}", label, f"{count:,}")
            )
    return bars


def _hour_labels(flow: Sequence[HourlyFlow]) -> list[Markup]:
    slot = (_WIDTH - _LEFT) // 24
    return [
        Markup('<text class="hour" x="{}" y="{}">{}</text>').format(
            _LEFT + hour.hour * slot + slot // 2, _HEIGHT - 6, f"{hour.hour:02}"
        )
        for hour in flow
        if hour.hour % 2 == 0
    ]


def _empty_note(highest: int) -> list[Markup]:
    if highest:
        return []
    middle = (_WIDTH + _LEFT) // 2, (_HEIGHT - _BOTTOM) // 2
    return [Markup('<text class="hour" x="{}" y="{}">No activity on this day.</text>').format(*middle)]


def _y(count: int, top: int) -> int:
    return _TOP + round((_HEIGHT - _BOTTOM - _TOP) * (top - count) / top)
