"""Formats of values on pages."""

import re

import pytest
from markupsafe import Markup

from console.web.formats import unbroken


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("10.00 Cash, deposit date 2026-06-05.", ["2026-06-05."]),
        ("2026-10-05 to 2026-10-11", ["2026-10-05", "2026-10-11"]),
        ("posted -$1,234.00 Cash (2026-10)", ["-$1,234.00", "2026-10"]),
        ("p-1001/1 <b>", ["p-1001/1"]),
        ("well-known, 25.00, a-rather-long-id-of-1234567890", []),
    ],
)
def test_dates_amounts_and_short_ids_do_not_break(text: str, kept: list[str]) -> None:
    shown = unbroken(text)

    assert re.findall(r'<span class="nowrap">(.*?)</span>', shown) == kept
    assert shown.striptags() == " ".join(text.split())


def test_markup_keeps_its_tags() -> None:
    assert unbroken(Markup('<time datetime="2026-10-05">2026-10-05</time>')).count("<span") == 0
