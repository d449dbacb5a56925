"""Saving the form of an outdated page overwrites no concurrent change, and keeps the user's input."""

import re
from uuid import uuid4

import pytest

from payments.access import authentication
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.core.scope import Scope
from payments.journeys import configuring
from payments.store.db.connection import transaction
from tests.builders.committed import ClinicLedger
from tests.console.web.scenarios import LoggedIn


def fields_of(page: str, action: str, name: str) -> dict[str, list[str]]:
    """Return the fields that a browser submits for the form with this action and this clinic or user."""
    forms = re.findall(rf'<form method="post" action="{action}"(.*?)</form>', page, re.DOTALL)
    (form,) = (each for each in forms if f'value="{name}"' in each)
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes["name"] != "csrf" and (attributes.get("type") not in {"checkbox", "radio"} or " checked" in tag):
            found.setdefault(attributes["name"], []).append(attributes.get("value", ""))
    for select, options in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        found[select] = re.findall(r'<option value="([^"]*)" selected>', options)
    return found


@pytest.fixture
def clinic(ledger: ClinicLedger) -> str:
    name = f"old-{uuid4().hex[:8]}"
    ledger.set_clinic(name)
    return name


def settings_of(ledger: ClinicLedger, clinic: str) -> tuple[bool, list[str]]:
    with transaction(ledger.database) as tx:
        (row,) = configuring.list_clinic_settings(tx, ledger.now(), clinic)
    return row.integration, [*map(str, row.types)]


def test_save_of_an_outdated_clinic_page_is_refused_and_keeps_the_choices(
    logged_in: LoggedIn, ledger: ClinicLedger, clinic: str
) -> None:
    support, admin = logged_in("support"), logged_in("admin")
    old = fields_of(support.get("/clinic", clinic=clinic).text, "/clinic", clinic)
    admin.post("/clinic", **old | {"type": ["Copay", "Supplies"]})

    refused = support.post("/clinic", **old | {"type": ["Copay", "Wellness"]})

    assert refused.status_code == 409
    assert re.search(r"<strong>Not saved.</strong> \S+ changed the settings of this clinic after", refused.text)
    assert "removed: Deductible, Wellness, Other, Coinsurance, Payment on Account" in refused.text
    assert settings_of(ledger, clinic) == (True, ["Copay", "Supplies"])
    kept = fields_of(refused.text, "/clinic", clinic)
    assert (kept["type"], kept["seen_types"]) == (["Copay", "Wellness"], ["Copay, Supplies"])

    assert support.post("/clinic", **kept).status_code == 303
    assert settings_of(ledger, clinic) == (True, ["Copay", "Wellness"])


def test_copy_from_an_outdated_clinic_page_is_refused(logged_in: LoggedIn, ledger: ClinicLedger, clinic: str) -> None:
    target = f"to-{uuid4().hex[:8]}"
    ledger.set_clinic(target)
    support = logged_in("support")
    old = fields_of(support.get("/clinic", clinic=clinic).text, "/clinic/copy", clinic) | {"to": [target]}
    support.post("/clinic", clinic=clinic, type=["Copay"])

    refused = support.post("/clinic/copy", **old)

    assert (refused.status_code, "nothing was copied" in refused.text) == (409, True)
    assert settings_of(ledger, target) == (True, [*map(str, ChargeType)])
    fresh = fields_of(support.get("/clinic", clinic=clinic).text, "/clinic/copy", clinic) | {"to": [target]}
    assert support.post("/clinic/copy", **fresh).status_code == 303
    assert settings_of(ledger, target) == (False, ["Copay"])


def test_save_of_an_outdated_user_page_is_refused_and_keeps_the_entry(
    logged_in: LoggedIn, ledger: ClinicLedger
) -> None:
    admin, name = logged_in("admin"), f"u-{uuid4().hex[:8]}"
    everything = {"all_companies": "on", "all_clinics": "on"}
    admin.post("/users", name=name, role="billing", password="long enough to use", **everything)
    old = fields_of(admin.get("/user", name=name).text, "/users/change", name)
    limited = {each: value for each, value in old.items() if not each.startswith("all_")}
    assert admin.post("/users/change", **limited | {"company": "company", "clinic": "north"}).status_code == 303

    refused = admin.post("/users/change", **old | {"role": "support"})

    assert refused.status_code == 409
    changes = "billing, all companies to billing, clinics north of company"
    assert f"Somebody changed user {name} after you opened the page: {changes}." in refused.text
    kept = fields_of(refused.text, "/users/change", name)
    assert (kept["role"], kept["all_clinics"], kept["seen_clinic"]) == (["support"], ["on"], ["north"])
    with transaction(ledger.database) as tx:
        expected = Scope(frozenset({"company"}), frozenset({"north"}))
        assert authentication.find_user(tx, name).scope == expected

    assert admin.post("/users/change", **kept).status_code == 303
    with transaction(ledger.database) as tx:
        assert authentication.find_user(tx, name) == User(name, Role.SUPPORT)


def test_save_of_an_outdated_company_page_is_refused_and_keeps_the_entry(
    logged_in: LoggedIn, ledger: ClinicLedger, clinic: str
) -> None:
    company = f"co-{uuid4().hex[:8]}"
    ledger.set_clinic(clinic, company_id=company)
    support, admin = logged_in("support"), logged_in("admin")
    old = fields_of(support.get("/company", company=company).text, "/company", company)
    assert (old["hold_days"], old["seen_chosen"]) == (["30"], ["true"])
    chosen = {"timezone": "America/Denver", "exception_days": "3"}
    assert admin.post("/company", **old | chosen).status_code == 303

    refused = support.post("/company", **old | {"hold_days": "10"})

    assert refused.status_code == 409
    assert f"Somebody changed company {company} after you opened the page:" in refused.text
    assert "<option selected>America/Denver</option>" in refused.text
    kept = fields_of(refused.text, "/company", company)
    assert (kept["hold_days"], kept["seen_timezone"]) == (["10"], ["America/Denver"])
    assert support.post("/company", **kept).status_code == 303
    with transaction(ledger.database) as tx:
        (row,) = (each for each in configuring.list_companies(tx) if each.company == company)
    assert (row.hold_days, row.timezone, row.timezone_chosen) == (10, "America/Denver", True)


def test_unknown_time_zone_is_refused_at_its_field(logged_in: LoggedIn, ledger: ClinicLedger, clinic: str) -> None:
    support = logged_in("support")
    old = fields_of(support.get("/company", company="company").text, "/company", "company")

    refused = support.post("/company", **old | {"timezone": "Mars/Olympus", "hold_days": "7"})

    assert (refused.status_code, 'id="wrong-zone">' in refused.text) == (422, True)
    assert fields_of(refused.text, "/company", "company")["hold_days"] == ["7"]


def test_old_page_is_saved_if_its_settings_were_changed_back(
    logged_in: LoggedIn, ledger: ClinicLedger, clinic: str
) -> None:
    support = logged_in("support")
    old = fields_of(support.get("/clinic", clinic=clinic).text, "/clinic", clinic)
    for types in (["Copay"], old["type"]):
        assert support.post("/clinic", clinic=clinic, integration="on", type=types).status_code == 303

    assert support.post("/clinic", **old | {"type": ["Supplies"]}).status_code == 303
    assert settings_of(ledger, clinic) == (True, ["Supplies"])
