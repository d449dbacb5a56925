"""Flower's own pages with one link more: the way back to the console. Knows no task."""

import html
from pathlib import Path

import flower
from tornado.template import Loader, Template

_LIST = '<ul class="app-nav navbar-nav">'


class LinkedPages(Loader):
    """Flower's templates; into its bar of links one is put that leads to the console."""

    def __init__(self, console_url: str) -> None:
        super().__init__(str(Path(flower.__file__).parent / "templates"))
        address = html.escape(console_url, quote=True)
        self._link = f'<li class="nav-item"><a class="nav-link" href="{address}">Payments console</a></li>'

    def _create_template(self, name: str) -> Template:
        # Where a later Flower has another bar, its pages are simply shown as they are.
        written = (Path(self.root) / name).read_text(encoding="utf-8").replace(_LIST, _LIST + self._link, 1)
        return Template(written, name=name, loader=self)
