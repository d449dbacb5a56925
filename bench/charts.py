"""Draw bar charts as SVG."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDTH, LABEL, BAR, GAP, TOP = 760, 230, 22, 10, 46
OURS, OTHERS = "#2563eb", "#94a3b8"


def draw(path: Path, title: str, bars: Sequence[tuple[str, float, bool]]) -> None:
    """Write a chart as an SVG file at `path`. Each bar is (name, value, whether it belongs to this product)."""
    largest = max(value for _, value, _ in bars) or 1
    room = WIDTH - LABEL - 90
    height = TOP + len(bars) * (BAR + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="26" font-size="16" font-weight="bold" fill="#0f172a">{escape(title)}</text>',
    ]
    for number, (name, value, is_ours) in enumerate(bars):
        top = TOP + number * (BAR + GAP)
        length = max(1, round(room * value / largest))
        middle = top + BAR / 2 + 5
        parts += [
            f'<text x="{LABEL - 8}" y="{middle:.0f}" text-anchor="end" font-size="13">{escape(name)}</text>',
            f'<rect x="{LABEL}" y="{top}" width="{length}" height="{BAR}" fill="{OURS if is_ours else OTHERS}"/>',
            f'<text x="{LABEL + length + 6}" y="{middle:.0f}" font-size="13">{_number_text(value)}</text>',
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>", ""]))


def _number_text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
