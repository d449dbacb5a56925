"""Files and functions stay within size limits, except those in a list that may only shrink."""

import ast

import pytest

from tests.house.source import Function, all_sources, each_function

LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX, PARAMETERS_MAX = 250, 40, 3, 5

# Files and functions beyond a limit, with their size. If an entry is no longer needed or has become smaller,
# the test fails until it is corrected here.
KNOWN_EXCESS: dict[str, dict[str, int]] = {
    "lines of a file": {},
    "lines of a function": {},
    "nesting": {
        "bench/jobs.py::measure_one_task_per_payment": 4,
        "bench/latency.py::_record_acknowledgements": 4,
    },
    "parameters": {},
}
# The whole schema stays in one file, regardless of its length.
SCHEMA_FILE = "payments/store/tables.py"
NESTING_STATEMENTS = (
    ast.If,
    ast.For,
    ast.While,
    ast.With,
    ast.Try,
    ast.TryStar,
    ast.Match,
    ast.AsyncFor,
    ast.AsyncWith,
)


def nesting_depth(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for name, value in ast.iter_fields(node):
        # The syntax tree holds `elif` as a nested `if`; readers do not see it as nested.
        is_elif = name == "orelse" and isinstance(node, ast.If) and len(value) == 1 and isinstance(value[0], ast.If)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, Function | ast.ClassDef | ast.Lambda):
                deeper = isinstance(child, NESTING_STATEMENTS) and not is_elif
                deepest = max(deepest, nesting_depth(child, depth + deeper))
    return deepest


def parameter_count(function: Function) -> int:
    # The parameters of a CLI command are its options and are not counted.
    if any("command" in ast.unparse(decorator) for decorator in function.decorator_list):
        return 0
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def registered_commands() -> set[str]:
    # `app.command(...)(accounts.distribute)` in main.py registers a command without a decorator.
    (main,) = (source for source in all_sources() if source.path == "console/cli/main.py")
    return {
        f"console/cli/{ast.unparse(call.args[0]).replace('.', '.py::')}"
        for call in ast.walk(ast.parse(main.text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Call)
        if ast.unparse(call.func.func).endswith(".command")
    }


def measure_sizes(limit: str) -> dict[str, int]:
    match limit:
        case "lines of a file":
            files = [source for source in all_sources() if not source.is_migration and source.path != SCHEMA_FILE]
            return {file.path: file.text.count("\n") for file in files}
        case "lines of a function":
            return {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in each_function()}
        case "nesting":
            return {name: nesting_depth(node) for name, node in each_function()}
        case _:
            commands = registered_commands()
            return {name: parameter_count(node) for name, node in each_function() if name not in commands}


@pytest.mark.parametrize(
    ("limit", "most"),
    [*zip(KNOWN_EXCESS, (LINES_MAX, FUNCTION_LINES_MAX, NESTING_MAX, PARAMETERS_MAX), strict=True)],
)
def test_files_and_functions_stay_within_limits(limit: str, most: int) -> None:
    beyond = {name: size for name, size in measure_sizes(limit).items() if size > most}

    assert beyond == KNOWN_EXCESS[limit]
