"""Flower's navigation bar has a link to the console."""

from workers.runtime.flower_pages import LinkedPages

CONSOLE_URL = "http://127.0.0.1:8000"


def test_navigation_bar_links_to_the_console():
    template = LinkedPages(CONSOLE_URL).load("navbar.html").code

    assert f'<a class="nav-link" href="{CONSOLE_URL}">Payments console</a>' in template
    assert "Workers" in template


def test_only_the_navigation_template_changes_and_its_address_is_escaped():
    pages = LinkedPages('http://127.0.0.1:8000/"><script>')

    assert pages.load("404.html")
    assert "<script>" not in pages._link
