"""The match of a patient with a search, and the terms by which the index finds matching patients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.core.search_match import MatchKind, match_patient, part_terms, similar_terms

NAME, ID = "robert garcia lopez", "p 1042"


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ("p 1042", MatchKind.ID),
        ("robert garcia lopez", MatchKind.NAME),
        ("p 10", MatchKind.ID_BEGINNING),
        ("robert", MatchKind.NAME_BEGINNING),
        ("rob gar", MatchKind.NAME_BEGINNING),
        ("lopez robert", MatchKind.NAME_BEGINNING),
        ("garc", MatchKind.NAME_BEGINNING),
        ("arci", MatchKind.PART),
        ("1042", MatchKind.PART),
        ("robert 1042", MatchKind.PART),
        ("robert garzia", MatchKind.SIMILAR),
        ("gracia", MatchKind.SIMILAR),
        ("roberto", MatchKind.SIMILAR),
        ("miller", None),
        ("robert miller", None),
    ],
)
def test_patient_gets_the_best_match_that_applies(wanted: str, match: MatchKind | None) -> None:
    assert match_patient(wanted, ID, NAME) is match


def test_ranks_put_whole_ids_before_beginnings_and_similar_names_last() -> None:
    ranked = sorted(MatchKind, key=lambda match: match.rank)

    assert ranked.index(MatchKind.ID) < ranked.index(MatchKind.ID_BEGINNING) < ranked.index(MatchKind.PART)
    assert ranked.index(MatchKind.PART) < ranked.index(MatchKind.SIMILAR)


def index_terms(text: str) -> set[str]:
    """Return the terms that the SQL function `patient_terms` stores, without the company."""
    padded = [f"  {word} " for word in text.split()]
    return {each[at : at + 3] for each in padded for at in range(len(each) - 2)}


name_words = st.lists(st.text("abcde1", min_size=1, max_size=8), min_size=1, max_size=3)


@given(name_words)
def test_part_of_a_name_has_only_terms_of_the_name(name: list[str]) -> None:
    beginnings = " ".join(word[: max(1, len(word) - 1)] for word in name)

    assert set(part_terms(beginnings)) <= index_terms(" ".join(name))


@given(st.text("abcde", min_size=4, max_size=10), st.data())
def test_name_with_one_wrong_letter_has_all_terms_of_one_set(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    mistyped = name[:at] + "x" + name[at + 1 :]

    assert any(set(terms) <= index_terms(name) for terms in similar_terms(mistyped))


def test_search_text_without_letters_and_digits_has_no_terms() -> None:
    assert part_terms("") == []
    assert similar_terms("") == similar_terms("jo al") == similar_terms("anna bert carl dora") == []
