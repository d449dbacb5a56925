"""Base models of the pages' forms. FastAPI parses a form into its model and reports invalid fields."""

from console.web.filters import PageQuery


class ReturnForm(PageQuery):
    """Base of forms that return to the page with the form. `back` is the address of this page."""

    back: str = ""

    def return_to(self, *pages: str) -> str:
        """Return the address in `back` if it is one of these pages, otherwise the first of them."""
        return self.back if self.back.partition("?")[0] in pages else pages[0]
