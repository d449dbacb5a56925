"""In a browser, each page of each role fits the screen. Links and forms lead to pages without an error.

`tests/console/web/test_crawl.py` follows more links and submits more forms, without a browser.
"""

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser

from payments.access.rights import Role, User
from tests.browser.conftest import BROWSER_TIME_ZONE
from tests.browser.crawler import BrowserCrawler
from tests.console.web.conftest import serve
from tests.console.web.test_crawl import USERS, task_pages
from tests.console.web.test_crawl import site as crawled_site

site = crawled_site
BRIEFLY_CRAWLED_USERS = [user for user in USERS if user.name in {f"{Role.FRONT_OFFICE}-of-north", Role.ADMIN.value}]


def crawl(chromium: Browser, address: str, user: User, **how: bool) -> BrowserCrawler:
    """Crawl the console as a user. `how` are the options `scripts` and `with_forms`."""
    with chromium.new_context(
        base_url=address, java_script_enabled=how["scripts"], timezone_id=BROWSER_TIME_ZONE
    ) as context:
        flower = ("http://127.0.0.1:5555",)
        crawler = BrowserCrawler(context.new_page(), user.name, flower, *task_pages(user), with_forms=how["with_forms"])
        crawler.crawl()
        return crawler


def test_every_page_fits_the_screen_and_has_no_error(chromium: Browser, site: FastAPI) -> None:
    problems, opened = [], set()
    with serve(site) as address:
        for user in BRIEFLY_CRAWLED_USERS:
            crawler = crawl(chromium, address, user, scripts=True, with_forms=False)
            problems += [f"{user.name} {problem}" for problem in crawler.problems]
            opened |= crawler.opened

    assert not problems, "\n".join(problems)
    assert {"/", "/exceptions", "/users", "/own-account", "/account"} <= opened


@pytest.mark.long
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_forms_of_every_role_lead_to_pages_without_an_error(
    chromium: Browser, site: FastAPI, user: User, scripts: bool
) -> None:
    with serve(site) as address:
        crawler = crawl(chromium, address, user, scripts=scripts, with_forms=True)

    assert not crawler.problems, "\n".join(crawler.problems)
