"""When one scope includes another. A scope is the companies and clinics whose data a user may see."""

import pytest

from payments.contract.keys import ClinicKey
from payments.core.scope import EVERYTHING, Scope

NO_IDS: frozenset[str] = frozenset()
ACME, BETA = Scope.of_companies("acme"), Scope.of_companies("beta")
CLINIC_KEYS = frozenset({ClinicKey("acme", "north"), ClinicKey("beta", "south")})
EMPTY_SCOPES = [
    Scope(NO_IDS),
    Scope(NO_IDS, frozenset({"north"})),
    Scope(frozenset({"acme"}), NO_IDS),
    Scope(frozenset({"acme", "beta"}), frozenset({"north"}), frozenset()),
    Scope(frozenset({"acme"}), frozenset({"south"}), CLINIC_KEYS),
    ACME.narrowed_to_company("beta"),
]


@pytest.mark.parametrize("empty", EMPTY_SCOPES, ids=range(len(EMPTY_SCOPES)))
def test_empty_scope_is_included_only_in_everything(empty: Scope) -> None:
    assert empty.is_empty
    assert EVERYTHING.includes(empty)
    for limited in (ACME, Scope.of_clinic("acme", "north"), empty):
        assert not limited.includes(empty)


@pytest.mark.parametrize(
    "scope",
    [EVERYTHING, ACME, Scope.of_clinic("acme", "north"), Scope.of_clinic_keys({"acme", "beta"}, CLINIC_KEYS)],
    ids=["everything", "company", "clinic", "clinics of two companies"],
)
def test_scope_includes_itself_and_parts_of_it_only(scope: Scope) -> None:
    assert not scope.is_empty
    assert scope.includes(scope)
    assert EVERYTHING.includes(scope)
    assert not BETA.includes(scope)
    assert scope == EVERYTHING or not scope.includes(EVERYTHING)
