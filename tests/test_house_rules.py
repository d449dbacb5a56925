"""The rules of the house that a test can keep, each over every file of ours; a file is read and parsed once.

`house/` holds the rest: what is said of tasks, of the documents, and of importing a module.
"""

import ast
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("config", "console", "emr", "payments", "tasks", "workers")
FOLDERS = (*PRODUCT, "bench", "docgen", "tests")

LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX, PARAMETERS_MAX = 250, 40, 3, 5

# What is longer, deeper or wider than the limits, with its measure. An entry may only shrink: one that is no longer
# needed, or has become smaller, fails the test until it is corrected here.
RATCHET: dict[str, dict[str, int]] = {
    "lines of a file": {
        "tests/console/test_exceptions.py": 272,
    },
    "lines of a function": {
        "tests/acceptance/test_closed_months.py::test_what_is_added_edited_and_deleted_in_a_closed_month_is_adjusted_in_the_present_one": 43,  # noqa: E501 (the name states the fact)
    },
    "nesting": {
        "emr/synthea.py::_patient_payments": 4,
        "bench/jobs.py::one_task_a_payment": 4,
        "bench/latency.py::_watch": 4,
    },
    "parameters": {},
}

# These have a database before them that is not Billing's ledger.
NOT_THE_LEDGER = {
    "workers/embedded_postgres.py",  # makes the very database that the store then lives in
    "emr/outbox.py",  # works in the EMR's own
}

BANNED_NAMES = frozenset(
    "base common helper helpers lib libs manager managers misc service services shared stuff tools util utils".split()
)
NESTING = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.TryStar, ast.Match, ast.AsyncFor, ast.AsyncWith)
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
CLOCK_OWNERS = {"datetime", "date", "time"}
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ AS|(CREATE|ALTER|DROP) [A-Z]+) ")
SQL_CLOCK = re.compile(r"\b(now\(\)|current_(timestamp|date|time)\b|clock_timestamp\()", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """A module of ours."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def is_migration(self) -> bool:
        return self.path.startswith("payments/store/migrations/")

    def found(self, *kinds: type[ast.AST]) -> list[ast.AST]:
        return [node for node in self.nodes if isinstance(node, kinds)]

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@cache
def all_sources() -> tuple[Source, ...]:
    # A million nodes, all of which stay: to search them for garbage takes longer than to make them.
    gc.disable()
    try:
        return tuple(_source(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    finally:
        gc.freeze()
        gc.enable()


def _source(path: Path) -> Source:
    text = path.read_text()
    tree = ast.parse(text)
    return Source(str(path.relative_to(ROOT)), text, tree, tuple(ast.walk(tree)))


def sources(*folders: str) -> list[Source]:
    return [source for source in all_sources() if source.path.startswith(tuple(f"{folder}/" for folder in folders))]


def each_function() -> Iterator[tuple[str, Function]]:
    for source in all_sources():
        if "migrations/versions/" not in source.path:
            for node in source.found(ast.FunctionDef, ast.AsyncFunctionDef):
                yield f"{source.path}::{node.name}", node


def where(folders: Iterable[str], is_wrong: Callable[[Source, ast.AST], bool]) -> list[str]:
    return [source.at(node) for source in sources(*folders) for node in source.nodes if is_wrong(source, node)]


def nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for name, value in ast.iter_fields(node):
        # `elif` is written as a nested `if` in the tree, and is not one for a reader.
        is_elif = name == "orelse" and isinstance(node, ast.If) and len(value) == 1 and isinstance(value[0], ast.If)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, Function | ast.ClassDef | ast.Lambda):
                deeper = isinstance(child, NESTING) and not is_elif
                deepest = max(deepest, nesting(child, depth + deeper))
    return deepest


def parameter_count(function: Function) -> int:
    # A command line's options are read from the parameters of its command; a fixture's are what a test asks for.
    if any("command" in ast.unparse(decorator) for decorator in function.decorator_list):
        return 0
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def measures(limit: str) -> dict[str, int]:
    match limit:
        case "lines of a file":
            pages = [source for source in all_sources() if "migrations/versions/" not in source.path]
            # The whole schema is on one page, however long it gets.
            return {page.path: page.text.count("\n") for page in pages if page.path != "payments/store/tables.py"}
        case "lines of a function":
            return {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in each_function()}
        case "nesting":
            return {name: nesting(node) for name, node in each_function()}
        case _:
            return {name: parameter_count(node) for name, node in each_function()}


@pytest.mark.parametrize(
    ("limit", "most"),
    [*zip(RATCHET, (LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX, PARAMETERS_MAX), strict=True)],
)
def test_files_and_functions_stay_small_and_the_exceptions_only_shrink(limit: str, most: int) -> None:
    beyond = {name: size for name, size in measures(limit).items() if size > most}

    assert beyond == RATCHET[limit]


def test_a_file_is_named_for_its_concept() -> None:
    generic = [s.path for s in all_sources() if BANNED_NAMES & set(Path(s.path).with_suffix("").parts)]

    assert generic == []


def test_every_module_says_in_its_docstring_what_it_is() -> None:
    assert [s.path for s in sources(*PRODUCT, "bench") if not ast.get_docstring(s.tree)] == []


def test_only_the_session_commits() -> None:
    def commits(source: Source, node: ast.AST) -> bool:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        at_home = source.path == "payments/store/session.py" or source.is_migration or source.path in NOT_THE_LEDGER
        # Nothing that opens or ends a transaction takes an argument; a journey's own `begin` does.
        return is_call and not node.args and node.func.attr in {"commit", "begin", "begin_nested"} and not at_home

    assert where((*PRODUCT, "bench"), commits) == []


def test_money_and_all_beside_it_is_never_a_float() -> None:
    def is_float(_: Source, node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return type(node.value) in {float, complex}
        return isinstance(node, ast.Name) and node.id == "float"

    assert where(("payments", "emr", "tasks"), is_float) == []


def test_the_domain_reads_no_clock() -> None:
    def reads_a_clock(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr):
                return owner in CLOCK_OWNERS and attr in CLOCKS
            case ast.ImportFrom(module="time") | ast.Import(names=[ast.alias(name="time"), *_]):
                return True
            case ast.Constant(value=str(text)):
                return bool(SQL_CLOCK.search(text))
        return False

    assert where(["payments"], reads_a_clock) == []


def test_a_log_event_is_a_constant_name() -> None:
    def logs_something_else(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr), args=args) if attr in LEVELS:
                return not (args and isinstance(args[0], ast.Constant) and isinstance(args[0].value, str))
        return False

    assert where(PRODUCT, logs_something_else) == []


def test_sql_lives_in_the_store() -> None:
    def is_sql(source: Source, node: ast.AST) -> bool:
        if source.path.startswith("payments/store/") or source.path in NOT_THE_LEDGER:
            return False
        match node:
            case ast.ImportFrom(module=str(module)):
                return module.partition(".")[0] == "sqlalchemy"
            case ast.Import(names=names):
                return any(name.name.partition(".")[0] == "sqlalchemy" for name in names)
            case ast.Constant(value=str(text)):
                return bool(SQL.match(text))
        return False

    assert where(PRODUCT, is_sql) == []


def test_servers_listen_on_this_machine_alone() -> None:
    everywhere = {"0.0.0.0", "::", "[::]"}  # noqa: S104 (they are what is looked for)

    def listens_everywhere(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="bind"), args=[ast.Tuple(elts=[host, *_])]):
                return not (isinstance(host, ast.Constant) and host.value == "127.0.0.1")
            case ast.Constant(value=str(text)):
                return text in everywhere or any(f"={place}" in text for place in everywhere)
        return False

    assert where(PRODUCT, listens_everywhere) == []


def test_nothing_waits_in_redis() -> None:
    # A message with a time of its own leaves its queue, and may be lost or come twice; what waits is a row.
    def waits(_: Source, node: ast.AST) -> bool:
        if isinstance(node, ast.keyword):
            return node.arg in {"countdown", "eta", "autoretry_for"}
        return isinstance(node, ast.Attribute) and ast.unparse(node) in {"self.retry", "self.request.retries"}

    assert where(("tasks", "workers", "console", "config"), waits) == []
