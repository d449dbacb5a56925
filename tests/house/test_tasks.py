"""Rules for every Celery task, because Celery silently accepts a misspelt option."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from celery import Task

from config.schedule import RECURRING
from tests.house.source import ROOT

BODY_LINES_MAX = 10
# Options of the decorator that are not attributes of a task.
DECORATOR_OPTIONS = {"name", "bind", "base"}


class TaskDefinition(NamedTuple):
    """A Celery task: a function and the options of the task decorator."""

    place: str
    function: ast.FunctionDef
    options: dict[str | None, ast.expr]

    @property
    def wire_name(self) -> str | None:
        name = self.options.get("name")
        return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def _decorators() -> Iterator[tuple[str, ast.FunctionDef, ast.expr]]:
    for path in sorted((ROOT / "tasks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield from ((f"{path.relative_to(ROOT)}:{node.lineno}", node, each) for each in node.decorator_list)


def _task_definitions() -> Iterator[TaskDefinition]:
    for place, function, decorator in _decorators():
        call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"task", "shared_task"}:
            yield TaskDefinition(place, function, {option.arg: option.value for option in call.keywords})


TASK_DEFINITIONS = tuple(_task_definitions())


def test_task_bodies_are_short() -> None:
    lines = {}
    for place, function, _ in TASK_DEFINITIONS:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines[place] = (body[-1].end_lineno or 0) - body[0].lineno + 1

    assert {place: count for place, count in lines.items() if count > BODY_LINES_MAX} == {}


def test_tasks_have_unique_explicit_wire_names() -> None:
    names = [message.wire_name for message in TASK_DEFINITIONS]

    assert names
    assert [message.place for message in TASK_DEFINITIONS if "." not in (message.wire_name or "")] == []
    assert len(names) == len(set(names))


def test_tasks_accept_keyword_arguments_and_ignore_unknown_ones() -> None:
    def is_open(arguments: ast.arguments) -> bool:
        by_position = arguments.posonlyargs or arguments.args or arguments.vararg
        return not by_position and arguments.kwarg is not None and arguments.kwarg.arg == "_future"

    assert [message.place for message in TASK_DEFINITIONS if not is_open(message.function.args)] == []


def test_task_options_are_known_to_celery() -> None:
    attributes = {name for name, value in tuple(vars(Task).items()) if name[0] != "_" and not callable(value)}
    known = attributes | DECORATOR_OPTIONS

    assert "ignore_results" not in known  # a common misspelling of ignore_result
    assert [
        (message.place, name) for message in TASK_DEFINITIONS for name in message.options if name not in known
    ] == []


def test_beat_schedule_names_only_existing_tasks() -> None:
    names = {message.wire_name for message in TASK_DEFINITIONS}

    assert [recurring.task for recurring in RECURRING if recurring.task not in names] == []
