"""Follow links and submit forms in a browser, as one user, and collect what the browser complains about."""

from collections import Counter, deque
from urllib.parse import urldefrag, urljoin, urlsplit

from playwright.sync_api import Page, Response

from tests.console.web.crawler import EMR_LOG, address_shape, form_kind, form_values
from tests.console.web.html_page import HtmlPage

SIZES = {1280: 800, 390: 844}
PAGES_OF_A_PATH = 3
LAST = ("/logout", "/own-account/sessions/end", "/own-account/password")
"""Forms that end the session or change the password. The tests of the own account submit them."""
# What is cut off on purpose: the link to the content and texts for screen readers.
OUTSIDE = """() => {
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
CHANGES_IN_PLACE = "(number) => [...document.forms][number].hasAttribute('hx-post') && Boolean(window.htmx)"
SUBMIT = """([number, values]) => {
    const form = [...document.forms][number];
    for (const field of form.elements) {
        if (field.name.startsWith("all_")) field.checked = false;
        if (!(field.name in values) || ["hidden", "submit", "button", "file"].includes(field.type)) continue;
        const chosen = values[field.name];
        if (["checkbox", "radio"].includes(field.type)) field.checked = chosen.includes(field.value);
        else field.value = chosen[0];
    }
    const button = [...form.elements].find((each) => each.type === "submit");
    button.disabled = false;
    form.requestSubmit(button);
}"""


class BrowserCrawler:
    """Crawls the console in one browser page. `problems` lists each problem with the address where it was found.

    Every page is laid out at each width. One page of each shape is opened, and one form of each kind submitted. Without
    forms, only PAGES_OF_A_PATH pages of each path are opened: most shapes differ in the filters that are set.
    """

    def __init__(self, page: Page, elsewhere: tuple[str, ...], *starts: str, with_forms: bool) -> None:
        self.page, self.elsewhere, self.with_forms = page, elsewhere, with_forms
        self.problems: list[str] = []
        self.opened: set[str] = set()
        self._submitted: set[str] = set()
        self._shapes: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()
        self._waiting: deque[str] = deque(["/", *starts])
        page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("response", self._check_status)

    def crawl(self) -> None:
        """Open every page, and submit every form."""
        while self._waiting:
            address = self._waiting.popleft()
            self.page.goto(address)
            self._read_page(address)

    def _read_page(self, address: str) -> None:
        self.opened.add(address_shape(urlsplit(address).path))
        self._check_layout()
        page = HtmlPage(address, self.page.content())
        for link in page.links:
            if link.is_page:
                self._queue(address, link.address)
        for form in page.forms:
            if form.method.lower() == "get":
                self._queue(address, form.action)
            elif self.with_forms and form.buttons and form.action not in LAST:
                self._submit(address, str(form_kind(form)))

    def _check_layout(self) -> None:
        for width, height in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for problem in self.page.evaluate(OUTSIDE):
                self._complain(f"at {width} px: {problem}")

    def _queue(self, seen_on: str, link: str) -> None:
        whole = urldefrag(urljoin(seen_on, link)).url
        shape, path = address_shape(whole), address_shape(urlsplit(whole).path)
        if link.startswith(self.elsewhere) or urlsplit(whole).netloc or self._shapes[shape]:
            return
        if not self.with_forms and self._paths[path] == PAGES_OF_A_PATH:
            return
        self._shapes[shape] += 1
        self._paths[path] += 1
        self._waiting.append(whole)

    def _submit(self, address: str, kind: str) -> None:
        """Fill in a form of a kind and send it, unless one was sent before. Then return to the page."""
        # An earlier form may have changed the page.
        forms = HtmlPage(address, self.page.content()).forms
        number = next((at for at, form in enumerate(forms) if str(form_kind(form)) == kind), None)
        if kind in self._submitted or number is None:
            return
        self._submitted.add(kind)
        values = {name: [each] if isinstance(each, str) else each for name, each in form_values(forms[number]).items()}
        for field in forms[number].fields:
            if field.kind == "file":
                log = {"name": "week.csv", "mimeType": "text/csv", "buffer": EMR_LOG}
                self.page.locator("form").nth(number).locator("input[type=file]").set_input_files(log)
        if self.page.evaluate(CHANGES_IN_PLACE, number):
            with self.page.expect_response(lambda response: response.request.method == "POST"):
                self.page.evaluate(SUBMIT, [number, values])
        else:
            with self.page.expect_navigation(wait_until="load") as shown:
                self.page.evaluate(SUBMIT, [number, values])
            self._read_answer(shown.value)
        # The form may have removed the page, with everything on it.
        if self.page.request.get(address).ok:
            self.page.goto(address)

    def _read_answer(self, answer: Response) -> None:
        """Read the page that follows a form, unless one of its shape is known. It may exist only now."""
        after = urlsplit(answer.url)
        address = f"{after.path}?{after.query}" if after.query else after.path
        if answer.request.method == "POST":  # not an address of its own
            self._check_layout()
        elif not self._shapes[address_shape(address)]:
            self._shapes[address_shape(address)] += 1
            self._read_page(address)

    def _check_status(self, response: Response) -> None:
        if response.status >= 400:
            self._complain(f"{response.request.method} {response.url} answers {response.status}")

    def _complain(self, problem: str) -> None:
        found = f"on {urlsplit(self.page.url).path}?{urlsplit(self.page.url).query}: {problem}"
        if found not in self.problems:
            self.problems.append(found)
