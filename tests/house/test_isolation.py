"""Only the modules listed here choose the companies that a transaction of the console may see."""

import ast
from collections.abc import Iterator

from tests.house.source import Source, sources

STATED_ACCESS = {
    ("console/web/auth.py", "AUTHENTICATION_ACCESS"): "finds the user of a session or token",
    (
        "console/web/pages/login.py",
        "AUTHENTICATION_ACCESS",
    ): "checks a password, counts failed logins, starts a session",
    (
        "console/web/pages/own_account.py",
        "AUTHENTICATION_ACCESS",
    ): "the own password and sessions, also without a company",
    ("console/web/metrics.py", "ALL_COMPANIES"): "figures about the whole installation, behind a token of the operator",
    ("console/web/context.py", "self.access"): "the companies of the request's user; pages open no other transaction",
}
"""The (module, access) pairs in which a module chooses the access of a transaction, with the reason."""
ENGINE_USERS = {
    "console/web/context.py": "opens the transactions above",
    "console/web/pages/health.py": "asks whether PostgreSQL answers, and runs no query",
}
"""The modules that use the console's engine, with the reason."""
CONNECTING_MODULES = {"console/web/app.py": "connect_isolated"}
"""The modules that connect to PostgreSQL, with the function that they call."""


def web_calls() -> Iterator[tuple[Source, ast.Call, str]]:
    for source in sources("console/web"):
        for node in source.nodes:
            if isinstance(node, ast.Call):
                yield source, node, ast.unparse(node.func).rpartition(".")[2]


def test_console_overrides_transaction_access_only_in_listed_modules() -> None:
    found = {
        (source.path, ast.unparse(argument))
        for source, call, name in web_calls()
        if name in {"transaction", "snapshot_transaction"}
        for argument in call.args
        if not ast.unparse(argument).startswith("with_access(self.database, ")
    }

    assert found == set(STATED_ACCESS)


def test_console_uses_its_engine_in_listed_modules_only() -> None:
    found = {
        source.path
        for source in sources("console/web")
        for node in source.nodes
        if isinstance(node, ast.Attribute) and node.attr == "database"
    }

    assert found == set(ENGINE_USERS)


def test_console_connects_only_with_company_isolation() -> None:
    found = {source.path: name for source, _, name in web_calls() if name in {"connect", "connect_isolated"}}

    assert found == CONNECTING_MODULES
