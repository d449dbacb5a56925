"""Follow every link of every page and submit every form, as one user of the console."""

import itertools
import re
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

from httpx import Response

from payments.core.drawer import DENOMINATIONS
from tests.console.web.conftest import PASSWORD, Browser, send_login
from tests.console.web.html_page import Field, FormOnPage, HtmlPage

PAGES_PER_SHAPE_MAX = 2
"""The most addresses to open of one `address_shape`, such as timelines of payments or pages of a list."""
_WELL_FORMED_ADDRESS_PATTERN = re.compile(r"[A-Za-z0-9/?#&=%.~_:+,@-]+")
_LIST_PARAMETERS = {"sort", "period", "after", "before", "form"}
"""The parameters that the links of every list have."""
_LAST_FORMS = {"/own-account/sessions/end": "/own-account", "/logout": "/"}
"""The actions of the forms that end the session, each with the page that shows the form."""
_CHOICE_OF_ALL_PREFIX = "all_"
"""The prefix of names of checkboxes that mean "all values". The crawler submits single values instead."""
_FORMS_ANSWERED_BY_A_PAGE = ("/exceptions/selected", "/exceptions/matching", "/exceptions/decide")
"""Actions of forms whose response is a page and not a redirect: a question, or the result of each item."""
_ADDRESS_AFTER_LOGOUT = "/login"
_VALUE_BY_FIELD = {
    "reason": "as agreed with the clinic",
    "note": "called the clinic",
    "password": PASSWORD,
    "patient": "patient",
    "company": "company",
    "payment": "north/sent-0/1",
    "find": "sent",
    **dict.fromkeys(("amount", "amount_due", "amount_paid", "starting_cash"), "25.00"),
    **dict.fromkeys(("check", "credit_card", "eft", "other"), "10.00"),
    **dict.fromkeys(DENOMINATIONS, "1"),
}
"""A valid value of each text field, by the field's name."""
EMR_LOG = (
    b"payment_id,line_id,clinic_id,patient_id,charge_type,method,amount_paid,transaction_date,internal_payment,paid\n"
    b"sent-0,1,north,patient,Copay,Cash,25.00,2026-06-05,false,true\n"
)
"""A Payment Log of the EMR, which the crawler uploads for balancing."""
_NEXT_PASSWORD = "another correct horse"  # noqa: S105 (as PASSWORD)
_name_numbers = itertools.count(1)


class Crawler:
    """Crawls the console as one user. `problems` lists each problem with the page where it was found."""

    def __init__(self, browser: Browser, elsewhere: tuple[str, ...], *starts: str, is_thorough: bool) -> None:
        """Start from the overview and from `starts`. Do not follow addresses that begin with a prefix in `elsewhere`.

        If `is_thorough`, submit each search with each value of each field. Otherwise submit it once, unchanged.
        """
        self.browser, self.elsewhere, self.is_thorough = browser, elsewhere, is_thorough
        # Values of fields in the forms of an action, instead of the usual ones.
        self.values_by_action: dict[str, dict[str, str]] = {}
        self.problems: list[str] = []
        self.reached: set[str] = set()
        self._submitted: set[str] = set()
        self._known: set[str] = set()
        self._shapes: Counter[str] = Counter()
        self._password = PASSWORD
        # Other pages link to what these forms delete.
        self._deletions: list[tuple[HtmlPage, FormOnPage]] = []
        self._waiting: deque[tuple[str, str]] = deque((each, "the start") for each in ("/", *starts))

    def crawl(self) -> None:
        """Open every page and submit every form. Submit forms that end the session last."""
        self._open_queued_pages()
        for page, form in self._deletions:
            self._post(page, form)
        self._open_queued_pages()
        for last, address in _LAST_FORMS.items():
            page = HtmlPage(address, self.browser.get(address).text)
            for form in page.forms:
                if form.action == last:
                    self._post(page, form)
            send_login(self.browser.client, self.browser.name, self._password)

    def _open_queued_pages(self) -> None:
        while self._waiting:
            address, seen_on = self._waiting.popleft()
            self._read_page(self.browser.client.get(address), address, seen_on)

    def _read_page(self, response: Response, address: str, seen_on: str) -> None:
        """Check a response, queue the links of the page, and submit the forms of the page."""
        self.reached.add(f"GET {address_shape(address).partition('?')[0]}")
        if response.status_code >= 400:
            self._add_problem(seen_on, f"{address} answers {response.status_code}: {_error_sentence(response)}")
            return
        if not response.headers.get("content-type", "").startswith("text/html"):
            return
        page = HtmlPage(address, response.text)
        for problem in page.problems():
            self._add_problem(address, problem)
        for link in page.links:
            self._queue(page, link.address)
        for form in page.forms:
            self._submit(page, form)

    def _queue(self, page: HtmlPage, address: str) -> None:
        """Queue a link, unless enough of its shape are queued. Record a malformed or external link as a problem."""
        if address.startswith((*self.elsewhere, "#")):
            return
        whole = urldefrag(urljoin(page.address, address)).url
        if not _WELL_FORMED_ADDRESS_PATTERN.fullmatch(address) or urlsplit(whole).netloc:
            self._add_problem(page.address, f"the link {address!r} is not well-formed or leaves the site")
        elif whole not in self._known and self._shapes[address_shape(whole)] < PAGES_PER_SHAPE_MAX:
            self._known.add(whole)
            self._shapes[address_shape(whole)] += 1
            self._waiting.append((whole, page.address))

    def _submit(self, page: HtmlPage, form: FormOnPage) -> None:
        if not form.buttons or form.action in (*_LAST_FORMS, _ADDRESS_AFTER_LOGOUT):
            return
        if not _WELL_FORMED_ADDRESS_PATTERN.fullmatch(form.action):
            self._add_problem(page.address, f"the form's action {form.action!r} is not well-formed")
        elif form.method.lower() == "get":
            self._search(page, form)
        elif form.action.endswith("/delete"):
            self._deletions.append((page, form))
        else:
            self._post(page, form)

    def _search(self, page: HtmlPage, form: FormOnPage) -> None:
        """Queue a search with the form's current values.

        In a thorough crawl, also queue one for each value of each field.
        """
        name = f"GET {address_shape(form.action)} {sorted(each.name for each in form.fields)}"
        if name in self._submitted:
            return
        self._submitted.add(name)
        plain = {each.name: each.chosen for each in form.fields if each.kind != "checkbox"}
        plain |= {each.name: valid_value(each, form) for each in form.fields if each.required and not each.chosen}
        for changes in [{}, *(_single_changes(form) if self.is_thorough else ())]:
            address = str(
                self.browser.client.build_request("GET", form.action, params=plain | changes).url.raw_path, "ascii"
            )
            if address not in self._known:
                self._known.add(address)
                self._waiting.append((address, page.address))

    def _post(self, page: HtmlPage, form: FormOnPage) -> None:
        """Submit a form, and read the page of the response. Do nothing if a form of its kind was submitted before."""
        name = f"POST {address_shape(form.action)} {sorted(each.name for each in form.fields)}"
        if name in self._submitted:
            return
        # An earlier form may have changed the page since: its forms carry the version of what it shows.
        fresh = HtmlPage(page.address, self.browser.client.get(page.address).text)
        same = [each for each in fresh.forms if form_kind(each) == form_kind(form)]
        if not same:
            return
        form = same[0]
        self._submitted.add(name)
        self.reached.add(f"POST {address_shape(form.action)}")
        own_values = self.values_by_action.get(form.action, {})
        fields = {key: own_values.get(key, value) for key, value in form_values(form).items()}
        if "old_password" in fields:
            fields |= {"old_password": self._password, "password": _NEXT_PASSWORD, "password_again": _NEXT_PASSWORD}
            self._password = _NEXT_PASSWORD
        for action in form.other_actions:  # such a button leads to a page that asks for a confirmation
            self.reached.add(f"POST {address_shape(action)}")
            self._read_page(self.browser.client.post(action, data=fields), page.address, f"{page.address} by {action}")
        files = {each.name: ("week.csv", EMR_LOG) for each in form.fields if each.kind == "file"}
        response = self.browser.client.post(form.action, data=fields, files=files or None)
        if response.status_code == 200 and form.action.startswith(_FORMS_ANSWERED_BY_A_PAGE):
            self._read_answer(response, form.action, f"{page.address} by {name}")
            return
        if response.status_code != 303:
            self._add_problem(page.address, f"{name} answers {response.status_code}: {_error_sentence(response)}")
            return
        after = response.headers["location"]
        response = self.browser.client.get(after)
        self._read_page(response, after, f"{page.address} after {name}")

    def _read_answer(self, response: Response, address: str, seen_on: str) -> None:
        """Check a page that is the response to a form, and submit its forms now, because it cannot be loaded again."""
        page = HtmlPage(address, response.text)
        for problem in page.problems():
            self._add_problem(seen_on, problem)
        for form in page.forms:
            if form.action.startswith(_FORMS_ANSWERED_BY_A_PAGE) and form.buttons:
                self.reached.add(f"POST {address_shape(form.action)}")
                self._read_page(self.browser.client.post(form.action, data=form_values(form)), form.action, seen_on)

    def _add_problem(self, seen_on: str, problem: str) -> None:
        found = f"{self.browser.name} on {seen_on}: {problem}"
        if found not in self.problems:
            self.problems.append(found)


def address_shape(address: str) -> str:
    """Return the shape of an address: its path with `{}` for each number, and the names of its parameters."""
    parts = urlsplit(address)
    given = {name for name, _ in parse_qsl(parts.query)}
    # Each list has these links, with any filter.
    names = ",".join(sorted(given & _LIST_PARAMETERS or given))
    return re.sub(r"/\d+", "/{}", parts.path) + (f"?{names}" if names else "")


def valid_value(field: Field, form: FormOnPage) -> str:
    """Return a valid value of a field: its current value, or another value that a user can choose."""
    if field.kind == "select":
        return field.chosen or next(iter(field.values), "")
    if field.chosen or field.kind == "hidden":
        return field.chosen
    if field.kind in {"date", "datetime-local"}:
        return f"{datetime.now(UTC):%Y-%m-%d}" + ("T23:59:59" if field.kind == "datetime-local" else "")
    if field.name == "confirm":
        return next(each.chosen for each in form.fields if each.name == "month")
    if field.name == "name":
        return f"somebody-{next(_name_numbers)}"
    return next(iter(field.suggestions), _VALUE_BY_FIELD.get(field.name, "north"))


def form_values(form: FormOnPage) -> dict[str, str | list[str]]:
    """Return valid values of the fields of a form, by name. All checkboxes are checked."""
    return {
        each.name: each.values if each.kind == "checkbox" else valid_value(each, form)
        for each in form.fields
        if not each.name.startswith(_CHOICE_OF_ALL_PREFIX) and each.kind != "file"
    }


def _single_changes(form: FormOnPage) -> Iterator[dict[str, str]]:
    for field in form.fields:
        if field.kind in {"select", "checkbox"}:
            # Another company does not have the clinic that the form shows.
            if field.name == "company" and any(each.name == "patient" and each.required for each in form.fields):
                continue  # another company does not have the patient
            has_clinic = field.name == "company" and any(each.name == "clinic" for each in form.fields)
            others = {"clinic": ""} if has_clinic else {}
            yield from (others | {field.name: value} for value in field.values if value)
        elif field.kind != "hidden":
            yield {field.name: valid_value(field, form)}


def form_kind(form: FormOnPage) -> tuple[str, list[str]]:
    """Return the kind of a form: its action without values, and the names of its fields."""
    return address_shape(form.action), sorted(each.name for each in form.fields)


def _error_sentence(response: Response) -> str:
    found = re.search(r'class="sentence">(.*?)</p>', response.text, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found[1]) if found else response.text[:200]
