"""Flower's pages with a link to the console in their navigation bar."""

import html
from pathlib import Path

import flower
from tornado.template import Loader, Template

_NAVIGATION = '<ul class="app-nav navbar-nav">'


class LinkedPages(Loader):
    """Loads Flower's templates, and adds a link to the console to the navigation bar."""

    def __init__(self, console_url: str) -> None:
        super().__init__(str(Path(flower.__file__).parent / "templates"))
        address = html.escape(console_url, quote=True)
        self._link = f'<li class="nav-item"><a class="nav-link" href="{address}">Payments console</a></li>'

    def _create_template(self, name: str) -> Template:
        # If a later Flower has another navigation bar, its pages are shown unchanged.
        source = (Path(self.root) / name).read_text(encoding="utf-8")
        return Template(source.replace(_NAVIGATION, _NAVIGATION + self._link, 1), name=name, loader=self)
