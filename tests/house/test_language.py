"""The product's source, page templates and documents use plain language."""

import ast
import re
from collections.abc import Iterator

from tests.house.source import PRODUCT_FOLDERS, ROOT, sources

ARCHAIC_WORD_PATTERN = re.compile(
    r"\b(anew|likewise|whoever|whatever|wherever|thereof|in vain|in the midst of|by itself|lets? go|letting go|is told"
    r"|is said of|stands(?! for)|takes? down|brings? in|mends?|comes? into being|at once|so many as)\b",
    re.IGNORECASE,
)
QUESTION_WORD_PATTERN = re.compile(r"(what|who|where|how)\b", re.IGNORECASE)


def test_module_docstring_does_not_begin_with_a_question_word() -> None:
    questions = [
        source.path
        for source in sources(*PRODUCT_FOLDERS, "bench")
        if QUESTION_WORD_PATTERN.match(ast.get_docstring(source.tree) or "")
    ]

    assert questions == []


def test_product_uses_no_archaic_word() -> None:
    found = [f"{path}: {word}" for path, text in _product_texts() for word in ARCHAIC_WORD_PATTERN.findall(text)]

    assert found == []


def test_documents_use_no_archaic_word() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in documents
        for word in ARCHAIC_WORD_PATTERN.findall(" ".join(path.read_text().split()))
    ]

    assert found == []


def _product_texts() -> Iterator[tuple[str, str]]:
    """Yield (path, text) of each source file and template of the product, with spaces instead of line breaks."""
    for source in sources(*PRODUCT_FOLDERS):
        if source.is_migration:  # quotes the sentences that it replaces
            continue
        yield source.path, " ".join(source.text.replace("#", " ").split())
    for folder in PRODUCT_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.html")):
            yield str(path.relative_to(ROOT)), " ".join(path.read_text().split())
