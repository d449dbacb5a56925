"""Values in the binary format of COPY. Times, dates and amounts are not converted to text and back."""

from decimal import Decimal
from functools import lru_cache
from typing import Any

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.numeric import DecimalBinaryDumper

_JSONB_VERSION = b"\x01"
_AMOUNTS_REMEMBERED = 5_000
_to_numeric = DecimalBinaryDumper(Decimal).dump


class _AmountDumper(Dumper):
    """Sends an amount. Converted amounts are cached, because conversion is slow and most amounts occur repeatedly."""

    format = Format.BINARY
    oid = adapters.types["numeric"].oid
    dump = staticmethod(lru_cache(_AMOUNTS_REMEMBERED)(_to_numeric))


class _JsonTextDumper(Dumper):
    """Sends JSON text as JSONB."""

    format = Format.BINARY
    oid = adapters.types["jsonb"].oid

    def dump(self, obj: str) -> bytes:
        """Return the text as PostgreSQL receives it."""
        return _JSONB_VERSION + obj.encode()


def register_dumpers(cursor: Any) -> None:
    """Let the COPY statements of a psycopg cursor send amounts, and JSON that is already text."""
    for dumper in (_AmountDumper, _JsonTextDumper):
        cursor.adapters.register_dumper(None, dumper)


def type_oid(name: str) -> int:
    """Return the object id of a built-in type of PostgreSQL, for example of `NUMERIC(12, 2)`."""
    return adapters.types.get_oid(name.partition("(")[0].lower())
