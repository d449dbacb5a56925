"""Bar charts as SVG. The server renders them, so a page needs no script. The page shows the same numbers as a table."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from payments.journeys.dashboard import HourlyFlow

SERIES = (
    ("saved", "Saved"),
    ("imported", "Imported"),
    ("retried", "Retried"),
    ("not_sent", "Not Sent"),
)
"""The series in the chart of a day. Each name is also the CSS class of the colour."""
_WIDTH, _HEIGHT = 960, 140
_LEFT, _BOTTOM, _TOP = 56, 24, 10
_SCALE_STEPS = (4, 8, 12, 20)
_BAR_MAX, _LABEL_WIDTH = 40, 60
_BAR_MARKUP = Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')


class Slot(NamedTuple):
    """The bars of one hour, day or week.

    `label` is the text below the bars, and `name` the name in their tooltips. `values` maps each series to its value.
    """

    label: str
    name: str
    values: Mapping[str, int]


def flow_chart(flow: Sequence[HourlyFlow]) -> Markup:
    """Return the chart of a day's payments, with four bars per hour."""
    slots = [
        Slot(f"{hour.hour:02}", f"{hour.hour:02}:00", {name: getattr(hour, name) for name, _ in SERIES})
        for hour in flow
    ]
    return bar_chart("Payments by hour", SERIES, slots, empty="No activity on this day.")


def bar_chart(
    title: str,
    series: Sequence[tuple[str, str]],
    slots: Sequence[Slot],
    *,
    unit: str = "",
    empty: str = "Nothing to show.",
) -> Markup:
    """Return a chart in which the bars of each slot are side by side.

    `series` are pairs of a CSS class and a label. `unit` precedes each number, for example a dollar sign. `empty` is
    the text that replaces a chart without bars.
    """
    highest = max((value for slot in slots for value in slot.values.values()), default=0)
    top = _round_up(highest)
    identifier = f"chart-{title.lower().replace(' ', '-')}"
    parts = [*_grid(top, unit), *_bars(series, slots, top, unit), *_labels(slots), *([] if highest else [_note(empty)])]
    described = ", ".join(label for _, label in series)
    return Markup(
        '<div class="chart-wrap" role="group" aria-label="{}" tabindex="0"><svg class="chart" viewBox="0 0 {} {}" '
        'role="img" aria-labelledby="{}"><title id="{}">{}: {}</title>{}</svg></div>'
    ).format(title, _WIDTH, _HEIGHT, identifier, identifier, title, described, Markup("").join(parts))


def _round_up(highest: int) -> int:
    """Return the upper end of the scale: 4, 8, 12 or 20 times a power of ten.

    So the quarters of the scale are round numbers.
    """
    size = 1
    while _SCALE_STEPS[-1] * size < highest:
        size *= 10
    return next(step * size for step in _SCALE_STEPS if step * size >= highest)


def _grid(top: int, unit: str) -> list[Markup]:
    lines = []
    for quarter in range(5):
        y = _y(top * quarter // 4, top)
        label = f"{unit}{top * quarter // 4:,}"
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="axis" x="{}" y="{}">{}</text>'
            ).format(_LEFT, _WIDTH, y, y, _LEFT - 6, y + 4, label)
        )
    return lines


def _bars(series: Sequence[tuple[str, str]], slots: Sequence[Slot], top: int, unit: str) -> list[Markup]:
    width = max(2, min(_BAR_MAX, _slot_width(slots) * 4 // 5 // len(series)))
    margin = (_slot_width(slots) - width * len(series)) // 2
    bars = []
    for number, slot in enumerate(slots):
        for position, (name, label) in enumerate(series):
            value = slot.values.get(name, 0)
            if value > 0:
                y = _y(value, top)
                x = _LEFT + number * _slot_width(slots) + margin + position * width
                bars.append(
                    _BAR_MARKUP.format(
                        name, x, y, max(1, width - 1), _HEIGHT - _BOTTOM - y, f"{slot.name} {label}: {unit}{value:,}"
                    )
                )
    return bars


def _labels(slots: Sequence[Slot]) -> list[Markup]:
    each = max(1, -(-_LABEL_WIDTH // _slot_width(slots)))
    return [
        Markup('<text class="hour" x="{}" y="{}">{}</text>').format(
            _LEFT + number * _slot_width(slots) + _slot_width(slots) // 2, _HEIGHT - 6, slot.label
        )
        for number, slot in enumerate(slots)
        if number % each == 0
    ]


def _note(text: str) -> Markup:
    middle = (_WIDTH + _LEFT) // 2, (_HEIGHT - _BOTTOM) // 2
    return Markup('<text class="hour" x="{}" y="{}">{}</text>').format(*middle, text)


def _slot_width(slots: Sequence[Slot]) -> int:
    return max(1, (_WIDTH - _LEFT) // max(1, len(slots)))


def _y(count: int, top: int) -> int:
    return _TOP + round((_HEIGHT - _BOTTOM - _TOP) * (top - count) / top)
