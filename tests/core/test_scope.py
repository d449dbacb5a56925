"""The scopes that include other scopes. A scope is the companies and clinics whose data a user may see."""

import pytest

from payments.contract.keys import ClinicKey
from payments.core.scope import EVERYTHING, Scope

NONE: frozenset[str] = frozenset()
ACME, BETA = Scope.of_companies("acme"), Scope.of_companies("beta")
PAIRS = frozenset({ClinicKey("acme", "north"), ClinicKey("beta", "south")})
EMPTY = [
    Scope(NONE),
    Scope(NONE, frozenset({"north"})),
    Scope(frozenset({"acme"}), NONE),
    Scope(frozenset({"acme", "beta"}), frozenset({"north"}), frozenset()),
    Scope(frozenset({"acme"}), frozenset({"south"}), PAIRS),
    ACME.narrowed_to_company("beta"),
]


@pytest.mark.parametrize("empty", EMPTY, ids=range(len(EMPTY)))
def test_empty_scope_is_included_only_in_everything(empty: Scope) -> None:
    assert empty.is_empty
    assert EVERYTHING.includes(empty)
    for limited in (ACME, Scope.of_clinic("acme", "north"), empty):
        assert not limited.includes(empty)


@pytest.mark.parametrize(
    "scope",
    [EVERYTHING, ACME, Scope.of_clinic("acme", "north"), Scope.of_clinic_keys({"acme", "beta"}, PAIRS)],
    ids=["everything", "company", "clinic", "clinics of two companies"],
)
def test_scope_includes_itself_and_parts_of_it_only(scope: Scope) -> None:
    assert not scope.is_empty
    assert scope.includes(scope)
    assert EVERYTHING.includes(scope)
    assert not BETA.includes(scope)
    assert scope == EVERYTHING or not scope.includes(EVERYTHING)
