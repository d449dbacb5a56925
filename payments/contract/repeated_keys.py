"""Find keys that occur twice in one JSON object. Parsers keep the last value and drop earlier ones without an error."""

import json
from collections.abc import Iterable
from typing import Any


class _RepeatedKeyError(Exception):
    """A key occurs twice in a JSON object."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def find_repeated_key(body: bytes, distinct_key_count: int | None = None) -> str | None:
    """Return a key that occurs twice in one object of a JSON text, at any depth.

    Returns None if no key occurs twice, or if the text is not JSON. `distinct_key_count` is the number of distinct keys
    that a parser found in the outermost object. If the text contains exactly this number of keys, no key is repeated,
    and the text is not parsed again.
    """
    if body.count(b'":') == distinct_key_count and not _may_have_blank_before_colon(body):
        return None
    try:
        json.loads(body.decode(), object_pairs_hook=_check_pairs, parse_int=str, parse_float=str)
    except _RepeatedKeyError as error:
        return error.key
    except (ValueError, RecursionError):
        return None
    return None


def without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as an object. Omit a key that occurs twice, because it is unknown which value is right."""
    repeated_names = count_repeated(key for key, _ in pairs)
    return {key: value for key, value in pairs if key not in repeated_names}


def count_repeated(names: Iterable[str]) -> dict[str, int]:
    """Return the names that occur more than once, with their number of occurrences."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return {name: count for name, count in counts.items() if count > 1}


def _may_have_blank_before_colon(body: bytes) -> bool:
    """Return whether the JSON text may contain a key with whitespace before its colon.

    A count of `":` does not include such a key. The result may also be True because of other whitespace.
    """
    return b" :" in body or b"\t" in body or b"\n" in body or b"\r" in body


def _check_pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _RepeatedKeyError(next(iter(count_repeated(key for key, _ in pairs))))
