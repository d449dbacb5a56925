"""Two companies have the same clinic id. Links, forms and filters of pages always act on the right clinic."""

import re
from collections.abc import Iterator, Mapping
from html import unescape

import pytest

from tests.console.web.conftest import PASSWORD, Browser
from tests.console.web.html_page import HtmlPage
from tests.console.web.shared_clinic_ids import CLINIC, LEFT, OTHER_CLINIC, PATIENT, RIGHT, SHARED_KEY, serve_shared
from tests.engines import scratch_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browsers(
    postgres_url: str, ledger_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Browser]]:
    """A logged-in browser of each user, by name."""
    with (
        scratch_database(postgres_url, ledger_template) as url,
        serve_shared(url, redis_url, tmp_path_factory.mktemp("shared")) as found,
    ):
        yield found


@pytest.fixture(params=["of-both", "of-all"])
def browser(request: pytest.FixtureRequest, browsers: Mapping[str, Browser]) -> Browser:
    """The browser of a user who may see both companies."""
    return browsers[request.param]


def links_to(browser: Browser, path: str, to: str, **query: str) -> list[str]:
    """Return the addresses of the links on a page that lead to another page."""
    return [unescape(each) for each in re.findall(rf'href="({to}\?[^"]*)"', browser.get(path, **query).text)]


PAGES_WITH_LINKS = [
    ("/claims-feed", "/timeline"),
    ("/claims-feed", "/account"),
    ("/exceptions", "/timeline"),
    ("/exceptions", "/account"),
    ("/payment-log", "/timeline"),
    ("/payment-log", "/account"),
    ("/balancing", "/timeline"),
    ("/account", "/timeline"),
    ("/account", "/claims-feed"),
    ("/clinics", "/clinic"),
]


@pytest.mark.parametrize(("path", "to"), PAGES_WITH_LINKS, ids=lambda each: each)
def test_links_of_a_page_open_the_right_company(browser: Browser, path: str, to: str) -> None:
    query = {"/account": {"patient": PATIENT}, "/balancing": {"since": "2026-06-01", "until": "2026-06-07"}}
    found = links_to(browser, path, to, **query.get(path, {}))

    opened = {re.search(r"company=(\w+)", link)[1]: browser.client.get(link) for link in found}  # type: ignore[index]
    assert set(opened) == {LEFT, RIGHT}
    for company, response in opened.items():
        assert response.status_code == 200
        own, foreign = ("25.00", "35.00") if company == LEFT else ("35.00", "25.00")
        if to != "/clinic":
            assert own in response.text
            assert foreign not in response.text
        else:
            assert f"company {company}<" in response.text


def test_timeline_links_to_its_company(browser: Browser) -> None:
    page = browser.get("/timeline", payment=f"{RIGHT}:{CLINIC}/free/1").text

    for to in ("/clinic", "/account"):
        (link,) = [unescape(each) for each in re.findall(rf'href="({to}\?[^"]*)"', page)]
        assert f"company={RIGHT}" in link
    (exception, *_) = re.findall(r'href="(/exceptions/\d+)"', page)
    shown = browser.get(exception).text
    assert "35.00" in shown
    assert "25.00" not in shown
    forms = {form.action: form for form in HtmlPage("/timeline", page).forms}
    assert {*forms} >= {"/notes"}
    assert "/claims-feed/requeue" not in forms  # it may not be requeued
    other = HtmlPage("/timeline", browser.get("/timeline", payment=f"{RIGHT}:{CLINIC}/other/1").text)
    forms |= {form.action: form for form in other.forms}
    for action in ("/notes", "/claims-feed/requeue"):
        assert ["right"] in [each.values for each in forms[action].fields if each.name == "company"]


def test_id_that_two_companies_share_needs_the_company(browser: Browser) -> None:
    for path, query in (("/timeline", {"payment": SHARED_KEY}), ("/clinic", {"clinic": CLINIC})):
        refused = browser.get(path, **query)
        assert (refused.status_code, "exists in several companies: left, right" in refused.text) == (409, True)
        assert browser.get(path, **query, company=RIGHT).status_code == 200
    assert browser.get("/clinic", clinic=f"{LEFT}:{CLINIC}").status_code == 200


REPORT_PAGES = ["/claims-feed", "/exceptions", "/payment-log", "/payment-log/export", "/balancing"]
REPORT_PAGES += [f"/api/{name}" for name in ("claims-feed", "exceptions", "payment-log", "balancing")]


@pytest.mark.parametrize(
    ("path", "query"),
    [(path, {"clinic": CLINIC}) for path in REPORT_PAGES]
    + [(path, {"patient": PATIENT}) for path in REPORT_PAGES if "exceptions" in path or "payment-log" in path]
    + [("/requeue-runs/new", {"status": "Not Sent"} | chosen) for chosen in ({"clinic": CLINIC}, {"find": PATIENT})],
    ids=str,
)
def test_filter_by_an_id_that_two_companies_share_needs_the_company(
    browsers: Mapping[str, Browser], path: str, query: dict[str, str]
) -> None:
    for name in ("of-both", "of-all"):
        refused = browsers[name].get(path, **query)
        assert (refused.status_code, "exists in several companies: left, right" in refused.text) == (409, True)
        assert browsers[name].get(path, **query, company=RIGHT).status_code == 200
    for name in ("of-left", "of-clinics"):
        assert browsers[name].get(path, **query).status_code == 200


def test_keys_have_a_company_only_for_users_who_see_both(browsers: Mapping[str, Browser]) -> None:
    for path in ("/api/claims-feed", "/api/exceptions", "/api/payment-log"):
        assert {row["payment"][:6] for row in browsers["of-both"].get(path).json()["rows"]} == {"left:s", "right:"}
        assert {row["payment"][:5] for row in browsers["of-left"].get(path).json()["rows"]} == {"same/"}
        chosen = browsers["of-both"].get(path, company=RIGHT).json()["rows"]
        assert {(row["payment"][:5], row["company"]) for row in chosen} == {("same/", RIGHT)}


@pytest.mark.parametrize("path", ["/claims-feed", "/exceptions", "/payment-log", "/balancing", "/account", "/timeline"])
def test_filter_by_company_is_shown_to_users_of_several_companies(browsers: Mapping[str, Browser], path: str) -> None:
    field = '<select name="company"'
    assert field in browsers["of-both"].get(path).text
    assert field in browsers["of-all"].get(path).text
    assert field not in browsers["of-left"].get(path).text


def test_filter_finds_a_payment_by_its_key_with_the_company(browser: Browser) -> None:
    for name in (f"{RIGHT}:{SHARED_KEY}", f"{RIGHT}:{CLINIC}/sent"):
        (row,) = browser.get("/api/claims-feed", find=name).json()["rows"]
        assert (row["payment"], row["company"]) == (f"{RIGHT}:{SHARED_KEY}", RIGHT)


def test_clinic_settings_are_changed_for_the_chosen_company(browser: Browser) -> None:
    def selected_types(company: str, clinic: str = CLINIC) -> set[str]:
        page = browser.get("/clinic", clinic=clinic, company=company).text
        return set(re.findall(r'name="type" value="(\w+)" checked', page))

    browser.post("/clinic", clinic=CLINIC, company=LEFT, integration="on", type=["Copay"])
    assert browser.post("/clinic", clinic=CLINIC, integration="on", type=["Wellness"]).status_code == 409
    browser.post("/clinic", clinic=CLINIC, company=RIGHT, integration="on", type=["Copay", "Wellness"])
    assert (selected_types(LEFT), selected_types(RIGHT)) == ({"Copay"}, {"Copay", "Wellness"})

    browser.post("/clinic/copy", clinic=OTHER_CLINIC, to=[f"{LEFT}:{CLINIC}"])
    assert (selected_types(LEFT), selected_types(RIGHT)) == ({"Supplies"}, {"Copay", "Wellness"})
    page = browser.get("/clinics", like=f"{RIGHT}:{CLINIC}").text
    assert f'name="to" value="{LEFT}:{CLINIC}"' in page
    assert f'name="to" value="{RIGHT}:{CLINIC}"' not in page


def test_requeue_acts_on_the_chosen_company(browsers: Mapping[str, Browser]) -> None:
    browser, key = browsers["of-both"], f"{CLINIC}/other/1"
    page = browser.get("/claims-feed", company=RIGHT, status="Not Sent").text
    assert f'name="payment" value="{key}"' in page
    assert '<input type="hidden" name="company" value="right">' in page

    assert browser.call("/api/requeue", {"payments": [key]}).status_code == 409
    assert browser.post("/claims-feed/requeue", payment=[key]).status_code == 409
    assert browser.call("/api/requeue", {"payments": [key], "company": RIGHT}).json()["count"] == 1
    browser.post("/claims-feed/requeue", payment=[key], company=RIGHT)
    attempts = {row["company"]: row["attempts"] for row in browser.get("/api/claims-feed", find=key).json()["rows"]}
    statuses = [browser.get("/api/timeline", payment=key, company=each).json()["rows"] for each in (LEFT, RIGHT)]
    assert [sum(row["what"] == "Requeued" for row in rows) for rows in statuses] == [0, 2]
    assert set(attempts) == {LEFT, RIGHT}


def test_longest_key_with_its_company_is_accepted(browser: Browser) -> None:
    key = ":".join(("c" * 64, "/".join(each * 64 for each in "abc")))

    assert browser.get("/timeline", payment=key).status_code == 404
    assert browser.get("/timeline", payment=f"{key}d").status_code == 422


def test_clinics_of_a_limited_user_are_shown_with_their_companies(browsers: Mapping[str, Browser]) -> None:
    assert "2 companies, 2 clinics" in browsers["of-clinics"].get("/").text
    assert f"{LEFT}:{CLINIC}, {RIGHT}:{OTHER_CLINIC}" in browsers["of-both"].get("/users").text


PAGES_OF_LIMITED_USER = [
    ("/claims-feed", {}),
    ("/exceptions", {"status": "all"}),
    ("/payment-log", {}),
    ("/payment-log", {"group_by": "clinic"}),
    ("/balancing", {"since": "2026-06-01", "until": "2026-06-07"}),
    ("/account", {"patient": PATIENT}),
    ("/clinics", {}),
    ("/", {"day": "2026-06-05"}),
    *((f"/api/{name}", {}) for name in ("claims-feed", "exceptions", "payment-log", "balancing")),
]


@pytest.mark.parametrize(("path", "query"), PAGES_OF_LIMITED_USER, ids=str)
def test_limit_to_a_clinic_excludes_the_same_clinic_id_of_another_company(
    browsers: Mapping[str, Browser], path: str, query: dict[str, str]
) -> None:
    limited = browsers["of-clinics"]

    response = limited.get(path, **query)

    assert response.status_code == 200
    assert "35.00" not in response.text
    assert limited.get(path, **query, company=RIGHT, clinic=CLINIC).status_code in {200, 403, 404, 422}
    assert "35.00" not in limited.get(path, **query, company=RIGHT).text


def test_user_limited_to_a_clinic_opens_and_requeues_nothing_of_the_other_one(
    browsers: Mapping[str, Browser],
) -> None:
    limited = browsers["of-clinics"]

    assert limited.get("/timeline", payment=SHARED_KEY).status_code == 200
    assert limited.get("/timeline", payment=SHARED_KEY, company=RIGHT).status_code == 404
    assert limited.get("/clinic", clinic=CLINIC).status_code == 200
    assert limited.get("/clinic", clinic=CLINIC, company=RIGHT).status_code == 404
    ids = {row["company"]: row["id"] for row in browsers["of-both"].get("/api/exceptions").json()["rows"]}
    assert limited.call(f"/api/exceptions/{ids[RIGHT]}/accept", {"version": 1}).status_code == 404


def test_administrator_limits_a_user_to_the_clinic_of_one_company(browsers: Mapping[str, Browser]) -> None:
    admin = browsers["of-both"]
    fields = {"role": "billing", "company": [LEFT, RIGHT]}

    refused = admin.post("/users", name="kim", password=PASSWORD, clinic=[CLINIC], **fields)
    assert (refused.status_code, "each have a clinic same; write left:same" in refused.text) == (422, True)
    admin.post("/users", name="kim", password=PASSWORD, clinic=[f"{LEFT}:{CLINIC}"], **fields)
    page = admin.get("/user", name="kim").text
    assert re.findall(r'name="clinic" value="([^"]+)" checked', page) == [f"{LEFT}:{CLINIC}"]
    assert ">left:same<" in admin.get("/users").text

    seen = {"seen_role": "billing", "seen_company": [LEFT, RIGHT]}
    seen |= {"seen_clinic_company": [LEFT], "seen_clinic": [CLINIC]}
    changed = admin.post("/users/change", name="kim", clinic=[OTHER_CLINIC], **fields, **seen)
    assert changed.status_code == 303
    again = admin.post("/users/change", name="kim", clinic=[f"{RIGHT}:{CLINIC}"], **fields, **seen)
    assert (again.status_code, "right:only-right" in again.text) == (409, True)
