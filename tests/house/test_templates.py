"""Templates of the console contain whole tags. Browsers repair a broken tag silently, and hide the text after it."""

import re
from pathlib import Path

import pytest

TEMPLATES = sorted((Path(__file__).parents[2] / "console" / "web" / "templates").glob("*.html"))
_JINJA_STATEMENT_PATTERN = re.compile(r"\{#.*?#\}|\{%.*?%\}", re.DOTALL)
_JINJA_EXPRESSION_PATTERN = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_UNCLOSED_TAG_PATTERN = re.compile(r"<[a-zA-Z/!][^<>]*(?:<|\Z)")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_tag_of_a_template_is_closed(template: Path) -> None:
    assert not unclosed_tags(template.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "broken", ["<p><strong{{ total }}</strong>", "<th>Paid</th<th>", "<p>Add</p", "<buttonAdd</button>"]
)
def test_unclosed_tag_is_found(broken: str) -> None:
    assert unclosed_tags(broken)


def unclosed_tags(template: str) -> list[str]:
    """Return the tags that do not end before the next tag or the end of the template."""
    markup = _JINJA_EXPRESSION_PATTERN.sub("value", _JINJA_STATEMENT_PATTERN.sub(" ", template))
    return [found[0] for found in _UNCLOSED_TAG_PATTERN.finditer(markup)]
