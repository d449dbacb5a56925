"""Write the generated documents, or check them: `python -m docgen [--check]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from docgen import api, cli, contract, glossary, metrics, not_sent_reasons, roles, schedule, settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {
    "settings": settings,
    "cli": cli,
    "api": api,
    "metrics": metrics,
    "roles": roles,
    "schedule": schedule,
    "not-sent-reasons": not_sent_reasons,
    "glossary": glossary,
}


def render_documents() -> dict[str, str]:
    """Return the text of each generated document, by its path below `docs/`."""
    pages = {f"reference/{name}.md": module.render_page() for name, module in PAGES.items()}
    return pages | {f"contract/{name}": text for name, text in contract.render_documents().items()}


def main(arguments: Sequence[str], folder: Path = DOCS) -> int:
    """Write the documents and return 0.

    With `--check`, write nothing: print the outdated documents, and return 1 if there are any.
    """
    is_check = list(arguments) == ["--check"]
    if arguments and not is_check:
        sys.stderr.write("usage: python -m docgen [--check]\n")
        return 2
    texts = render_documents()
    stale = [name for name, text in texts.items() if _read_existing(folder / name) != text]
    for name in stale:
        if is_check:
            sys.stderr.write(f"docs/{name} is out of date; run `make docs-reference`\n")
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(texts[name], "utf-8")
    return int(is_check and bool(stale))


def _read_existing(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
