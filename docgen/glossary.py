"""The glossary page. The terms in `payments.help_texts` are generated; the rest of the page is written by hand."""

import re
from pathlib import Path

from docgen.markdown import table
from payments.help_texts import HelpText, Topic, help_texts

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "glossary.md"
_GENERATED_PART_PATTERN = re.compile(
    r"(<!-- (\w+): generated from payments/help_texts -->\n)(.*?)(?=\n#|\Z)", re.DOTALL
)


def render_page() -> str:
    """Return the page with its generated parts replaced by the current help texts.

    An HTML comment begins each part and names its topic. The next heading ends the part.
    """
    return _GENERATED_PART_PATTERN.sub(
        lambda found: f"{found[1]}\n{_terms_of_topic(Topic(found[2]))}", PAGE.read_text("utf-8")
    )


def _terms_of_topic(topic: Topic) -> str:
    return table(("term", "meaning"), [(text.term, _meaning(text)) for text in help_texts(topic).values()])


def _meaning(text: HelpText) -> str:
    sentences = filter(None, (text.sentence, text.meaning, text.action))
    return " ".join(each if each.endswith(".") else f"{each}." for each in sentences)
