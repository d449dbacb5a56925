"""Tell whether two names in the stored histories may belong to the same person."""

from typing import NamedTuple


class _Names(NamedTuple):
    """The name of a person in lower case, and the number of the operating system's user. Both may be empty."""

    name: str
    uid: str


def may_be_same_person(one: str, other: str) -> bool:
    """Return whether two users may be the same person.

    A person can act on pages (`user:anna`) and by commands (`cli:1042 (anna)`). Names are compared without case, and
    commands also by the number of the operating system's user.
    """
    first, second = _parse(one), _parse(other)
    return one == other or any(bool(each) and each == its for each, its in zip(first, second, strict=True))


def _parse(who: str) -> _Names:
    kind, _, rest = who.partition(":")
    if kind != "cli":
        return _Names(rest.casefold(), "")
    uid, _, name = rest.partition(" (")
    return _Names(name.removesuffix(")").casefold(), uid)
