"""The documentation site lists every document, and the links between documents lead to pages of the site."""

from pathlib import Path

import pytest

from docgen.site import ROOT, copy_pages, rewrite_links


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[docs](docs/how-to/biller.md)", "[docs](how-to/biller.md)"),
        ("![Overview](docs/screenshots/overview.webp)", "![Overview](screenshots/overview.webp)"),
        ("[the rules](docs/rules.md#d3-month-end)", "[the rules](rules.md#d3-month-end)"),
        ("[how](ARCHITECTURE.md#states)", "[how](architecture.md#states)"),
        ("[the tour](README.md#a-first-tour)", "[the tour](tutorial.md)"),
        ("[source](emr/client.py), [decisions](docs/decisions/)", "source, decisions"),
        ("[elsewhere](https://www.postgresql.org/docs/) [here](#flow)", None),
    ],
)
def test_link_of_the_readme_leads_to_a_page_of_the_site(text: str, expected: str | None) -> None:
    assert rewrite_links(text, "README.md", "docs/index.md") == (expected or text)


def test_link_of_a_how_to_page_stays_relative() -> None:
    text = "[a](../upgrades.md) [b](runbook.md) [c](../../ARCHITECTURE.md) [d](../../emr/client.py)"

    assert rewrite_links(text, "docs/how-to/biller.md", "docs/how-to/biller.md") == (
        "[a](../upgrades.md) [b](runbook.md) [c](../architecture.md) d"
    )


def test_every_document_is_in_the_navigation(tmp_path: Path) -> None:
    copy_pages(tmp_path / "site")
    index = (tmp_path / "site" / "index.md").read_text()
    documents = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}

    assert [document for document in documents - {"README"} if f"\n{document}\n" not in index] == []
    assert (tmp_path / "site" / "tutorial.md").read_text().startswith("# A first tour\n")
    assert "A first tour" not in index
