"""Base models of the pages' forms. FastAPI reads a form into its model and reports the field that is wrong."""

from console.web.filters import PageQuery


class ReturnForm(PageQuery):
    """A form that returns to the page it was sent from; `back` holds the address of that page."""

    back: str = ""

    def return_to(self, *pages: str) -> str:
        """Return the address in `back` if it is one of these pages, otherwise the first of them."""
        return self.back if self.back.partition("?")[0] in pages else pages[0]
