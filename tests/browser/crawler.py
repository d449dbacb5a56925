"""Follow links and submit forms in a browser, as one user, and collect the problems that the browser reports."""

from collections import Counter, deque
from typing import NamedTuple
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

from playwright.sync_api import Page, Response

from tests.browser.conftest import PASSWORD
from tests.console.web.crawler import EMR_LOG, address_shape, form_kind, form_values, valid_value
from tests.console.web.html_page import FormOnPage, HtmlPage

SCREEN_HEIGHT_BY_WIDTH = {1280: 800, 390: 844}
PAGES_PER_PATH_MAX = 3
NEXT_PASSWORD = "another correct horse"  # noqa: S105 (it opens nothing but this test)
LAST_FORMS = {"/logout": "/", "/own-account/password": "/own-account", "/own-account/sessions/end": "/own-account"}
"""Forms that end the session or change the password, and the page of each form. They are submitted last."""
# What is cut off on purpose: the link to the content and texts for screen readers.
ELEMENTS_OUTSIDE_SCRIPT = """() => {
    const clipped = (each) => {
        for (let box = each.parentElement; box; box = box.parentElement) {
            const style = getComputedStyle(box);
            if (/auto|scroll|hidden|clip/.test(style.overflowX) || style.position === "fixed") return true;
        }
        return false;
    };
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) {
        found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    }
    for (const each of document.querySelectorAll("main *, header *, footer *")) {
        if (each.closest(".visually-hidden, .skip, svg, option") || !each.checkVisibility()) continue;
        const box = each.getBoundingClientRect();
        if (box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) && !clipped(each)) {
            found.push(`outside the viewport: ${each.outerHTML.slice(0, 160)}`);
        }
    }
    return found.slice(0, 3);
}"""
BROKEN_VALUES_SCRIPT = r"""() => {
    const found = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode;
        if (node.parentElement.closest(".raw, .visually-hidden, option, script, svg")) continue;
        for (const each of node.data.matchAll(/\d{4}-\d\d(-\d\d)?|-?\$[\d,]+\.\d\d/g)) {
            const range = document.createRange();
            range.setStart(node, each.index);
            range.setEnd(node, each.index + each[0].length);
            const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
            if (lines.size > 1) found.push(`on two lines: ${each[0]} in ${node.parentElement.outerHTML.slice(0, 160)}`);
        }
    }
    return found.slice(0, 3);
}"""
"""JavaScript that returns the dates and amounts that a line break splits."""
CHANGES_IN_PLACE_SCRIPT = "(number) => [...document.forms][number].hasAttribute('hx-post') && Boolean(window.htmx)"
BUTTONS_SCRIPT = """() => [...document.forms].map((form) => [...form.elements].filter((each) => each.type === "submit")
    .map((each) => `${each.name}=${each.name && each.value} ${each.getAttribute("formaction") || ""}`))"""
SUBMIT_SCRIPT = """([number, at, values]) => {
    const form = [...document.forms][number];
    for (const field of form.elements) {
        if (field.name.startsWith("all_")) field.checked = false;
        if (!(field.name in values) || ["hidden", "submit", "button", "file"].includes(field.type)) continue;
        const chosen = values[field.name];
        if (["checkbox", "radio"].includes(field.type)) field.checked = chosen.includes(field.value);
        else field.value = chosen[0];
    }
    const button = [...form.elements].filter((each) => each.type === "submit")[at];
    button.disabled = false;
    form.requestSubmit(button);
}"""


class Button(NamedTuple):
    """A button that submits a form: the number of the form on the page, its own number in the form, and its kind."""

    form: int
    at: int
    kind: str


class BrowserCrawler:
    """Crawls the console in one browser page. `problems` lists each problem with its address.

    The crawler opens one page of each `address_shape`, and checks its layout at each width. If `with_forms`, it presses
    each button of one form of each kind. Otherwise it presses none, and opens at most PAGES_PER_PATH_MAX pages of each
    path, because most shapes of a path differ only in their filters.
    """

    def __init__(self, page: Page, user: str, elsewhere: tuple[str, ...], *starts: str, with_forms: bool) -> None:
        self.page, self.user, self.elsewhere, self.with_forms = page, user, elsewhere, with_forms
        self.problems: list[str] = []
        self.opened: set[str] = set()
        self.submitted: set[str] = set()
        self._shapes: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()
        self._waiting: deque[str] = deque(["/", *starts])
        self._deletions: list[str] = []
        page.on("console", lambda message: self._add_problem(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._add_problem(str(error)))
        page.on("response", self._check_status)

    def crawl(self) -> None:
        """Log in, and open the pages. If `with_forms`, submit their forms, and last those that end the session."""
        self._log_in()
        while self._waiting or self._deletions:
            while self._waiting:
                address = self._waiting.popleft()
                self.page.goto(address)
                self._read_page(address)
            if self._deletions:
                address = self._deletions.pop()
                self.page.goto(address)
                self._press_buttons(address)
        for action, address in LAST_FORMS.items() if self.with_forms else ():
            self.page.goto(address)
            if "/login" in self.page.url:
                self._log_in()
                self.page.goto(address)
            form = next(at for at, each in enumerate(self._forms(address)) if each.action == action)
            self._press(address, Button(form, 0, action))

    def _log_in(self) -> None:
        self.page.goto("/login")
        self.page.get_by_label("Name").fill(self.user)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("button", name=self.user).wait_for()

    def _read_page(self, address: str) -> None:
        self.opened.add(address_shape(urlsplit(address).path))
        self._check_layout()
        page = HtmlPage(address, self.page.content())
        for link in page.links:
            if link.is_page:
                self._queue(address, link.address)
        for form in page.forms:
            if form.method.lower() == "get":
                self._queue(address, _search_address(form))
        self._press_buttons(address)

    def _press_buttons(self, address: str) -> None:
        # A form may change the page, or remove it with everything on it.
        while self.with_forms and (button := self._next_button(address)):
            self._press(address, button)
            if not self.page.request.get(address).ok:
                return
            self.page.goto(address)

    def _check_layout(self) -> None:
        for width, height in SCREEN_HEIGHT_BY_WIDTH.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for problem in [*self.page.evaluate(ELEMENTS_OUTSIDE_SCRIPT), *self.page.evaluate(BROKEN_VALUES_SCRIPT)]:
                self._add_problem(f"at {width} px: {problem}")

    def _queue(self, seen_on: str, link: str) -> None:
        whole = urldefrag(urljoin(seen_on, link)).url
        shape, path = address_shape(whole), address_shape(urlsplit(whole).path)
        if link.startswith(self.elsewhere) or urlsplit(whole).netloc or self._shapes[shape]:
            return
        if not self.with_forms and self._paths[path] == PAGES_PER_PATH_MAX:
            return
        self._shapes[shape] += 1
        self._paths[path] += 1
        self._waiting.append(whole)

    def _forms(self, address: str) -> list[FormOnPage]:
        return HtmlPage(address, self.page.content()).forms

    def _next_button(self, address: str) -> Button | None:
        """Return a button that submits a form and whose kind was not pressed before, or None if the page has none."""
        for number, (form, buttons) in enumerate(
            zip(self._forms(address), self.page.evaluate(BUTTONS_SCRIPT), strict=True)
        ):
            for at, button in enumerate(buttons):
                kind = f"{form_kind(form)} {button}"
                is_skipped = form.action in LAST_FORMS or form.action == "/login" or kind in self.submitted
                if form.action.endswith("/delete") and self._waiting:
                    # Other pages link to what the form deletes.
                    self._deletions += [] if is_skipped or address in self._deletions else [address]
                    continue
                if form.method.lower() == "post" and not is_skipped:
                    return Button(number, at, kind)
        return None

    def _press(self, address: str, button: Button) -> None:
        """Fill in a form, and press one of its buttons."""
        self.submitted.add(button.kind)
        form = self._forms(address)[button.form]
        values = {name: [each] if isinstance(each, str) else each for name, each in form_values(form).items()}
        if "old_password" in values:
            values |= {"old_password": [PASSWORD], "password": [NEXT_PASSWORD], "password_again": [NEXT_PASSWORD]}
        for field in form.fields:
            if field.kind == "file":
                log = {"name": "week.csv", "mimeType": "text/csv", "buffer": EMR_LOG}
                self.page.locator("form").nth(button.form).locator("input[type=file]").set_input_files(log)
        entered = [button.form, button.at, values]
        if self.page.evaluate(CHANGES_IN_PLACE_SCRIPT, button.form):
            with self.page.expect_response(lambda response: response.request.method == "POST"):
                self.page.evaluate(SUBMIT_SCRIPT, entered)
            return
        with self.page.expect_navigation(wait_until="load") as shown:
            self.page.evaluate(SUBMIT_SCRIPT, entered)
        self._read_answer(shown.value)

    def _read_answer(self, answer: Response) -> None:
        """Read the page after a submitted form now, because its address may not exist later. Skip known shapes."""
        after = urlsplit(answer.url)
        address = f"{after.path}?{after.query}" if after.query else after.path
        if answer.request.method == "POST":  # not an address of its own: a question, or the result of each item
            self._check_layout()
            if button := self._next_button(address):
                self._press(address, button)
        elif not self._shapes[address_shape(address)]:
            self._shapes[address_shape(address)] += 1
            self._read_page(address)

    def _check_status(self, response: Response) -> None:
        if response.status >= 400:
            self._add_problem(f"{response.request.method} {response.url} answers {response.status}")

    def _add_problem(self, problem: str) -> None:
        found = f"on {urlsplit(self.page.url).path}?{urlsplit(self.page.url).query}: {problem}"
        if found not in self.problems:
            self.problems.append(found)


def _search_address(form: FormOnPage) -> str:
    """Return the address that a search form opens, with the form's current values.

    An empty required field gets a valid value.
    """
    values = {each.name: each.chosen for each in form.fields if each.kind != "checkbox"}
    values |= {each.name: valid_value(each, form) for each in form.fields if each.required and not each.chosen}
    return f"{form.action}?{urlencode(values)}" if values else form.action
