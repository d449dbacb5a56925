"""The reference page of the command line, from the Typer application."""

from collections.abc import Iterator
from textwrap import fill
from typing import Any

import typer

from console.cli.main import command
from console.cli.parameters import list_choices
from docgen.markdown import code, heading, table

_INTRODUCTION = """
The program `payments` is in `.venv/bin`; in the image it is on the path. Every command has `--help`. An error is one
line on standard error. The exit status is then 1 if the command failed, or 2 for a usage error.

These commands ask for confirmation on a terminal: `months close`, `exceptions accept`, `acknowledge` and `undo`,
`requeue --status`, `distribute`, `replay`, `users disable`, `company export`, `cancel-export` and `retire`, and
`settings retire`. The question names the number and, where there is one, the sum. Only the answer `y` or `yes`
continues. `--yes` skips the question. Without a terminal, as in a script, nothing is asked. `--dry-run`, where a
command has it, shows what would happen and changes nothing.

What changes between the question and the answer is not included. An exception whose entries differ stays open. If more
payments match than were confirmed, none is requeued. Entries that are acknowledged later are not replayed.

Give an option once, unless its description says that it may be repeated. Dates are `YYYY-MM-DD`, amounts plain decimals
such as `25.00`. A time is in UTC, unless it has an offset. Ids are not trimmed: an id with a blank at an end is unknown
or refused.
"""
_BUILT_IN_OPTIONS = {"--help", "--install-completion", "--show-completion"}


def render_page() -> str:
    """Return the page: an overview of all commands, and a section for each."""
    commands = list(_walk("payments", command()))
    overview = [
        (f"[`{path}`](#{path.replace(' ', '-')})", _first_paragraph(each)) for path, each in commands if _is_leaf(each)
    ]
    sections = "".join(_section(path, each) for path, each in commands)
    title = heading("Commands", "the command line in console/cli")
    return f"{title}{_INTRODUCTION}\n{table(('Command', 'Purpose'), overview)}{sections}"


def _walk(path: str, each: Any) -> Iterator[tuple[str, Any]]:
    """Yield the command `each` and all of its subcommands, each with its path, in the order of `--help`."""
    yield path, each
    for name, child in getattr(each, "commands", {}).items():
        yield from _walk(f"{path} {name}", child)


def _is_leaf(each: Any) -> bool:
    return not hasattr(each, "commands")


def _first_paragraph(each: Any) -> str:
    return (each.help or "").strip().partition("\n\n")[0]


def _section(path: str, each: Any) -> str:
    list_choices(each)
    context = typer.Context(each, info_name=path)
    usage = " ".join([path, *each.collect_usage_pieces(context)])
    parameters = [_parameter_row(each, context) for each in each.params if not _BUILT_IN_OPTIONS & set(each.opts)]
    parts = [f"\n## {path}\n", _wrapped(each.help or "") + "\n", f"```text\n{usage}\n```\n"]
    if parameters:
        parts.append(table(("Argument or option", "Meaning"), parameters))
    if each.epilog:
        parts.append(_examples(each.epilog))
    return "\n".join(parts)


def _wrapped(text: str) -> str:
    """Return a text with its paragraphs wrapped like the other documents."""
    paragraphs = [fill(each, 120, break_long_words=False, break_on_hyphens=False) for each in text.split("\n\n")]
    return "\n\n".join(paragraphs).strip()


def _parameter_row(parameter: Any, context: typer.Context) -> tuple[str, str]:
    usage, meaning = parameter.get_help_record(context)
    return code(usage), meaning


def _examples(epilog: str) -> str:
    """Return the examples of an epilog as a code block, followed by its other lines."""
    lines = [line.strip() for line in epilog.split("\n\n") if line.strip()]
    examples = [line.removeprefix("Example: ") for line in lines if line.startswith("Example: ")]
    others = "".join(f"\n{line}\n" for line in lines if not line.startswith("Example: "))
    return "```text\n" + "".join(f"{example}\n" for example in examples) + "```\n" + others
