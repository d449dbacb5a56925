"""Add links to Flower's pages. The navigation bar links to the console, and a task links to its payments."""

import html
from pathlib import Path

import flower
from tornado.template import Loader, Template

_NAVIGATION = '<ul class="app-nav navbar-nav">'


_TASK_HEADING = '<p class="page-eyebrow">Task details</p>'


class LinkedPages(Loader):
    """Loads Flower's templates, with links to the console added."""

    def __init__(self, console_url: str) -> None:
        super().__init__(str(Path(flower.__file__).parent / "templates"))
        address = html.escape(console_url, quote=True)
        payments = f"{address}/import-tasks/{{{{ url_escape(task.uuid) }}}}"
        self._payments_link = f'<p><a href="{payments}">Payments of this task in the console</a></p>'
        self._link = f'<li class="nav-item"><a class="nav-link" href="{address}">Payments console</a></li>'

    def _create_template(self, name: str) -> Template:
        # If a later Flower has another navigation bar or heading, its pages are shown unchanged.
        source = (Path(self.root) / name).read_text(encoding="utf-8")
        source = source.replace(_NAVIGATION, _NAVIGATION + self._link, 1)
        source = source.replace(_TASK_HEADING, _TASK_HEADING + self._payments_link, 1)
        return Template(source, name=name, loader=self)
