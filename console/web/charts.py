"""A day's flow as a drawing: four bars an hour, drawn here so that no script is needed."""

from collections.abc import Sequence

from markupsafe import Markup

from payments.journeys.dashboard import HourlyFlow

SERIES = (("saved", "Saved"), ("imported", "Imported"), ("retried", "Retried"), ("not_sent", "Not Sent"))
_WIDTH, _HEIGHT = 960, 220
_LEFT, _BOTTOM, _TOP = 44, 24, 10
_STEPS = (4, 8, 12, 20)


def flow_chart(flow: Sequence[HourlyFlow]) -> Markup:
    """Return the drawing of a day; the table beneath it says the same in figures."""
    most = max((getattr(hour, name) for hour in flow for name, _ in SERIES), default=0)
    top = _round_up(most)
    parts = [*_grid(top), *(bar for hour in flow for bar in _bars(hour, top)), *_hours(flow), *_nothing(most)]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="chart-title">'
        '<title id="chart-title">Payments hour by hour: saved, imported, retried, Not Sent</title>{}</svg>'
    ).format(_WIDTH, _HEIGHT, Markup("").join(parts))


def _round_up(most: int) -> int:
    """Return a number from 4 on whose quarters are whole and read well on the grid: 1, 2, 3 or 5 with noughts."""
    size = 1
    while _STEPS[-1] * size < most:
        size *= 10
    return next(step * size for step in _STEPS if step * size >= most)


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
    room = (_WIDTH - _LEFT) // 24
    width = (room - 8) // len(SERIES)
    bars = []
    for place, (name, label) in enumerate(SERIES):
        count = getattr(hour, name)
        y = _y(count, top)
        x = _LEFT + hour.hour * room + 4 + place * width
        if count:
            bars.append(
                Markup(
                    '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}:00 {}: {}</title></rect>'
                ).format(name, x, y, width - 1, _HEIGHT - _BOTTOM - y, f"{hour.hour:02}", label, f"{count:,}")
            )
    return bars


def _hours(flow: Sequence[HourlyFlow]) -> list[Markup]:
    room = (_WIDTH - _LEFT) // 24
    return [
        Markup('<text class="hour" x="{}" y="{}">{}</text>').format(
            _LEFT + hour.hour * room + room // 2, _HEIGHT - 6, f"{hour.hour:02}"
        )
        for hour in flow
        if hour.hour % 2 == 0
    ]


def _nothing(most: int) -> list[Markup]:
    if most:
        return []
    middle = (_WIDTH + _LEFT) // 2, (_HEIGHT - _BOTTOM) // 2
    return [Markup('<text class="hour" x="{}" y="{}">Nothing happened on this day.</text>').format(*middle)]


def _y(count: int, top: int) -> int:
    return _TOP + round((_HEIGHT - _BOTTOM - _TOP) * (top - count) / top)
