"""Rules that are checked in the syntax tree of every file."""

import ast
import re
from pathlib import Path

from tests.house.source import PRODUCT_FOLDERS, Source, all_sources, find_violations, sources

# These modules use a database other than Billing's ledger.
OTHER_DATABASE_USERS = {
    "devstack/embedded_postgres.py",  # creates the database that the store uses
    "emr/outbox_table.py",  # uses the EMR's database
    "emr/outbox.py",
    "console/cli/outbox.py",
    "bench/office_at_work.py",
}

BANNED_FILE_NAMES = frozenset(
    "base common helper helpers lib libs manager managers misc service services shared stuff tools util utils".split()
)
CLOCK_FUNCTIONS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
CLOCK_OWNERS = {"datetime", "date", "time"}
LOG_EVENT_NAME_PATTERN = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")
SQL_STATEMENT_PATTERN = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ AS|(CREATE|ALTER|DROP) [A-Z]+) "
)
SQL_CLOCK_PATTERN = re.compile(r"\b(now\(\)|current_(timestamp|date|time)\b|clock_timestamp\()", re.IGNORECASE)


def test_file_is_named_for_its_concept() -> None:
    generic = [s.path for s in all_sources() if BANNED_FILE_NAMES & set(Path(s.path).with_suffix("").parts)]

    assert generic == []


def test_module_has_a_docstring() -> None:
    assert [s.path for s in sources(*PRODUCT_FOLDERS, "bench") if not ast.get_docstring(s.tree)] == []


def test_only_the_session_module_commits() -> None:
    def is_commit(source: Source, node: ast.AST) -> bool:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        at_home = (
            source.path == "payments/store/db/connection.py"
            or source.is_migration
            or source.path in OTHER_DATABASE_USERS
        )
        # The functions that open or end a transaction take no argument; a journey's own `begin` takes one.
        return not node.args and node.func.attr in {"commit", "begin", "begin_nested"} and not at_home

    assert find_violations((*PRODUCT_FOLDERS, "bench"), is_commit) == []


def test_no_float_is_used_in_the_domain() -> None:
    def is_float(_: Source, node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return type(node.value) in {float, complex}
        return isinstance(node, ast.Name) and node.id == "float"

    assert find_violations(("payments", "emr", "tasks"), is_float) == []


def test_domain_reads_no_clock() -> None:
    def is_clock_reading(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr):
                return owner in CLOCK_OWNERS and attr in CLOCK_FUNCTIONS
            case ast.ImportFrom(module="time") | ast.Import(names=[ast.alias(name="time"), *_]):
                return True
            case ast.Constant(value=str(text)):
                return bool(SQL_CLOCK_PATTERN.search(text))
        return False

    assert find_violations(["payments"], is_clock_reading) == []


def test_log_event_is_a_snake_case_constant() -> None:
    def is_misnamed_log_event(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr), args=args) if attr in LOG_METHODS:
                name = args[0].value if args and isinstance(args[0], ast.Constant) else None
                return not (isinstance(name, str) and LOG_EVENT_NAME_PATTERN.fullmatch(name))
        return False

    assert find_violations(PRODUCT_FOLDERS, is_misnamed_log_event) == []


def test_sql_lives_in_the_store() -> None:
    def is_sql(source: Source, node: ast.AST) -> bool:
        if source.path.startswith(("payments/store/", "payments/access/")) or source.path in OTHER_DATABASE_USERS:
            return False
        match node:
            case ast.ImportFrom(module=str(module)):
                return module.partition(".")[0] == "sqlalchemy"
            case ast.Import(names=names):
                return any(name.name.partition(".")[0] == "sqlalchemy" for name in names)
            case ast.Constant(value=str(text)):
                return bool(SQL_STATEMENT_PATTERN.match(text))
        return False

    assert find_violations(PRODUCT_FOLDERS, is_sql) == []


def test_servers_listen_on_the_loopback_address_or_the_configured_one() -> None:
    everywhere = {"0.0.0.0", "::", "[::]"}  # noqa: S104 (the addresses that the test searches for)

    def is_public_listener(_: Source, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="bind"), args=[ast.Tuple(elts=[host, *_])]):
                # An address that the caller chose is the setting PAYMENTS_BIND_ADDRESS, or the loopback address.
                return ast.unparse(host) not in {"'127.0.0.1'", "LOOPBACK", "address"}
            case ast.Constant(value=str(text)):
                return text in everywhere or any(f"={place}" in text for place in everywhere)
        return False

    assert find_violations(PRODUCT_FOLDERS, is_public_listener) == []


def test_no_task_has_an_eta_or_a_celery_retry() -> None:
    # A message with an ETA leaves its queue and may be lost or delivered twice. Waiting work is a row instead.
    def is_delayed_retry(_: Source, node: ast.AST) -> bool:
        if isinstance(node, ast.keyword):
            return node.arg in {"countdown", "eta", "autoretry_for"}
        return isinstance(node, ast.Attribute) and ast.unparse(node) in {"self.retry", "self.request.retries"}

    assert find_violations(("tasks", "workers", "console", "config"), is_delayed_retry) == []
