"""Collect the sources of the documentation site: `python -m docgen.site FOLDER`.

The site shows `docs/` and the documents of the root. The README's tour becomes the tutorial. Links to source files,
which are not part of the site, become plain text.
"""

import posixpath
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
TOUR = "A first tour"
TUTORIAL = "docs/tutorial.md"
ROOT_PAGES = {
    "README.md": "docs/index.md",
    "ARCHITECTURE.md": "docs/architecture.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "CHANGELOG.md": "docs/changelog.md",
}
"""The page of the site for each document in the root folder. Both are paths below the root folder."""
PAGE_BY_DOCUMENT = ROOT_PAGES | {"docs/README.md": "docs/index.md"}
SECTIONS = {
    "Tutorial": ["tutorial"],
    "Your day": [f"how-to/{role}" for role in ("front-desk", "biller", "support", "operator", "administrator")],
    "How-to guides": ["how-to/*", "upgrades"],
    "Reference": ["rules", "reference/*"],
    "Explanation": ["architecture", "explanation/*"],
    "Decisions": ["decisions/*"],
    "Project": ["contributing", "changelog"],
}
"""The sections of the navigation. A pattern stands for all pages that no other entry names."""
_LINK_PATTERN = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#)([^)#\s]+)(#[^)\s]+)?\)")


def copy_pages(folder: Path) -> None:
    """Copy every page and file of the site to an empty folder. Change links so that they point to pages of the site."""
    shutil.copytree(ROOT / "docs", folder)
    (folder / "README.md").unlink(missing_ok=True)
    for path in folder.rglob("*.md"):
        page = f"docs/{path.relative_to(folder).as_posix()}"
        path.write_text(rewrite_links(path.read_text("utf-8"), page, page), "utf-8")
    for document, page in ROOT_PAGES.items():
        text = (ROOT / document).read_text("utf-8")
        if document == "README.md":
            tour, text = _without_tour(text)
            (folder / Path(TUTORIAL).name).write_text(rewrite_links(tour, document, TUTORIAL), "utf-8")
            text += _navigation(folder)
        (folder / Path(page).name).write_text(rewrite_links(text, document, page), "utf-8")


def rewrite_links(text: str, document: str, page: str) -> str:
    """Return the text of `document` with its links changed to be relative to `page`, which shows the document."""
    here = str(PurePosixPath(page).parent)

    def _rewrite_link(found: re.Match[str]) -> str:
        mark, label, target, anchor = found[1], found[2], found[3], found[4] or ""
        path = posixpath.normpath(f"{PurePosixPath(document).parent}/{target}")
        if (path, anchor) == ("README.md", "#" + TOUR.lower().replace(" ", "-")):
            path, anchor = TUTORIAL, ""
        path = PAGE_BY_DOCUMENT.get(path, path)
        is_shown = path.startswith("docs/") and not (ROOT / path).is_dir()
        return f"{mark}[{label}]({posixpath.relpath(path, here)}{anchor})" if is_shown else label

    # Diagrams stay text, because the site loads no script to draw them.
    return _LINK_PATTERN.sub(_rewrite_link, text).replace("```mermaid\n", "```text\n")


def _without_tour(readme: str) -> tuple[str, str]:
    """Take the tour out of the README. Return the tour as a separate page, and the rest of the README."""
    before, heading, rest = readme.partition(f"## {TOUR}\n")
    tour, following, after = rest.partition("\n## ")
    return heading[1:] + tour + "\n", before + following.lstrip() + after


def _navigation(folder: Path) -> str:
    """Return the navigation of the site as hidden tables of contents."""
    named = {entry for entries in SECTIONS.values() for entry in entries}
    parts = []
    for title, entries in SECTIONS.items():
        pages = [page for entry in entries for page in _pages_of_entry(folder, entry, named)]
        parts.append(
            f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "".join(f"{page}\n" for page in pages) + "```\n"
        )
    return "".join(parts)


def _pages_of_entry(folder: Path, entry: str, named: set[str]) -> list[str]:
    if "*" not in entry:
        return [entry]
    found = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob(f"{entry}.md"))
    return [page for page in found if page not in named]


if __name__ == "__main__":
    copy_pages(Path(sys.argv[1]))
