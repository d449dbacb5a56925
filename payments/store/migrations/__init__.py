"""How the database came to its present form, step by step (Alembic)."""

import re
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

_LOCK = 7_250_001
"""Advisory lock number: two stacks that start together migrate one after the other."""


_PART = re.compile(r"_(default|before|\d{4}_\d{2})$")


def alembic_config() -> Config:
    """Return Alembic's configuration; the scripts lie beside this file."""
    config = Config()
    config.set_main_option("script_location", str(files(__package__ or __name__)))
    return config


def upgrade(database_url: str) -> None:
    """Bring the database to the newest form. Harmless when it is there already, or a later version was at it."""
    engine = create_engine(database_url, hide_parameters=True)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            if _is_current(connection):
                return
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_described(name: str | None, kind: str) -> bool:
    """Say whether `tables.py` describes what bears this name; it says nothing of the parts of a divided table."""
    return kind != "table" or not _PART.search(name or "")


def is_current(engine: Engine) -> bool:
    """Say whether the database stands at the newest form, or at one that a later version has brought it to."""
    with engine.connect() as connection:
        return _is_current(connection)


def _is_current(connection: Connection) -> bool:
    # Steps are numbered. One that is not known here is a later version's, and only adds: docs/upgrades.md.
    found = MigrationContext.configure(connection).get_current_revision()
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return found is not None and head is not None and found >= head
