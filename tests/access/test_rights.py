"""Roles, the clinics that a user may see, and the delays after failed logins."""

import pytest

from payments.access.rights import RIGHTS_BY_ROLE, LoginDelays, Right, Role, User
from payments.core.scope import Scope


def test_every_role_may_view_and_only_admins_may_administer() -> None:
    assert all(Right.VIEW in rights for rights in RIGHTS_BY_ROLE.values())
    assert [role for role in Role if User("ann", role).may(Right.ADMINISTER)] == [Role.ADMIN]


def test_limited_user_sees_only_own_clinics() -> None:
    limited = User("ann", Role.BILLING, Scope.of_clinics("north")).scope

    assert [limited.may_see("acme", clinic) for clinic in ("north", "south", None)] == [True, False, False]
    assert User("bob", Role.BILLING).scope.may_see(None, None)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 2), (6, 4), (10, 64), (14, 900), (10_000, 900)])
def test_login_delay_doubles_up_to_15_minutes(failures: int, seconds: int) -> None:
    assert LoginDelays().delay_seconds(failures) == seconds
