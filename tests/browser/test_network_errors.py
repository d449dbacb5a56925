"""After a network error, forms and progress bars work again without a reload of the page."""

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.stack import Stack
from tests.browser.conftest import log_in_by_keyboard

CLINIC = "network-errors"


def open_clinic_page(chromium: Browser, address: str, stack: Stack) -> Page:
    stack.run_successfully("settings", "set", CLINIC, "--company", "network", "--integration", "on", "--types", "Copay")
    page = log_in_by_keyboard(chromium.new_context(base_url=address).new_page(), "ann")
    page.clock.install()
    page.goto(f"/clinic?clinic={CLINIC}")
    return page


def test_button_works_again_after_a_network_error(chromium: Browser, address: str, console_stack: Stack) -> None:
    page = open_clinic_page(chromium, address, console_stack)
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.route("**/clinic", lambda route: route.abort("aborted"))

    for _ in range(2):
        page.get_by_role("button", name="Save").click()
    assert len(posts) == 1  # a double click sends the form once

    page.unroute("**/clinic")
    page.clock.fast_forward(5_000)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text(f"Settings of clinic {CLINIC} saved.")
    assert len(posts) == 2
    page.context.close()
