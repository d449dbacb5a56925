"""Base classes of the forms of pages. FastAPI parses a form into its model and reports invalid fields."""

from console.web.filters import PageQuery


class ReturnForm(PageQuery):
    """Base class of forms after which the user returns to the page of the form. `back` is the address of that page."""

    back: str = ""

    def return_to(self, *pages: str) -> str:
        """Return `back` if it is an address of one of these pages, otherwise the first page."""
        return self.back if self.back.partition("?")[0] in pages else pages[0]
