"""Convert SQL text to SQLAlchemy statements, cached per process."""

from functools import lru_cache

import sqlalchemy
from sqlalchemy import TextClause


@lru_cache(maxsize=1_000)
def text(statement: str) -> TextClause:
    """Return the statement object of an SQL text. Objects are cached, so each text is parsed and compiled once.

    Parsing and compiling would take 10-20 % of a short statement's time.
    """
    return sqlalchemy.text(statement)
