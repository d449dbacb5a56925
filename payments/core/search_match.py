"""Match patients with a search text, and compute the terms by which the index `patients_by_term` finds them.

Texts are compared as the SQL function `search_text` returns them: lower case, without accents, words separated by
blanks.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from itertools import product

SIMILARITY_PERCENT_MIN = 75
"""The least similarity of two words that count as similar: `difflib.SequenceMatcher.ratio` in percent."""
_TERM_CHARACTERS = 3
_SIMILAR_WORD_CHARACTERS_MIN = 4
_SIMILAR_WORDS_MAX = 3


class MatchKind(StrEnum):
    """The way in which a search hit matches the text. The members are in order, the best match first."""

    ID = "id"
    CHECK_NUMBER = "check_number"
    NAME = "name"
    AMOUNT = "amount"
    ID_BEGINNING = "id_beginning"
    CHECK_NUMBER_BEGINNING = "check_number_beginning"
    NAME_BEGINNING = "name_beginning"
    PART = "part"
    SIMILAR = "similar"
    PATIENT = "patient"

    @property
    def rank(self) -> int:
        """The position of this match in the order of hits; 0 is the best."""
        return [*MatchKind].index(self)


def match_patient(wanted: str, patient_id: str, name: str) -> MatchKind | None:
    """Return how a patient matches the text of a search, or None if the patient does not match.

    All three arguments are texts as `search_text` returns them. `name` is empty if it is unknown.
    """
    if wanted == patient_id:
        return MatchKind.ID
    if wanted == name:
        return MatchKind.NAME
    if patient_id.startswith(wanted):
        return MatchKind.ID_BEGINNING
    return _match_words(wanted.split(), name, patient_id)


def _match_words(words: Sequence[str], name: str, patient_id: str) -> MatchKind | None:
    name_words = name.split()
    if all(any(each.startswith(word) for each in name_words) for word in words):
        return MatchKind.NAME_BEGINNING
    known = f"{name} {patient_id}"
    if all(word in known for word in words):
        return MatchKind.PART
    if all(_is_similar(word, name_words) for word in words):
        return MatchKind.SIMILAR
    return None


def part_terms(wanted: str) -> list[str]:
    """Return the index terms of a search for parts of words.

    A patient has all these terms if each search word occurs in the patient's name or id. A search word of one or two
    characters is found only at the beginning of a word.
    """
    parts = (word if len(word) >= _TERM_CHARACTERS else f"  {word}" for word in wanted.split())
    return sorted({term for part in parts for term in _terms(part)})


def similar_terms(wanted: str) -> list[list[str]]:
    """Return lists of index terms for a search with mistyped words. A similar name has all terms of at least one list.

    The lists assume that the first or the second half of each word is correct. Words of fewer than four characters are
    ignored. If no word remains, or more than three words remain, the result is empty.
    """
    words = [word for word in wanted.split() if len(word) >= _SIMILAR_WORD_CHARACTERS_MIN]
    if not 0 < len(words) <= _SIMILAR_WORDS_MAX:
        return []
    halves = product(*(_halves(word) for word in words))
    return [sorted({term for half in each for term in _terms(half)}) for each in halves]


def _halves(word: str) -> tuple[str, str]:
    middle = (len(word) + 1) // 2
    return f"  {word[:middle]}", f"{word[middle:]} "


def _terms(part: str) -> Iterator[str]:
    return (part[at : at + _TERM_CHARACTERS] for at in range(len(part) - _TERM_CHARACTERS + 1))


def _is_similar(word: str, name_words: Sequence[str]) -> bool:
    return word in name_words or bool(get_close_matches(word, name_words, 1, SIMILARITY_PERCENT_MIN / 100))
