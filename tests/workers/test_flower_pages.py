from workers.runtime.flower_pages import LinkedPages

CONSOLE = "http://127.0.0.1:8000"


def test_flowers_bar_of_links_leads_back_to_the_console():
    shown = LinkedPages(CONSOLE).load("navbar.html").code

    assert f'<a class="nav-link" href="{CONSOLE}">Payments console</a>' in shown
    assert "Workers" in shown


def test_what_else_flower_shows_stays_as_it_is():
    pages = LinkedPages('http://127.0.0.1:8000/"><script>')

    assert pages.load("404.html")
    assert "<script>" not in pages._link
