"""Base classes of the forms of pages. FastAPI parses a form into its model and reports invalid fields."""

from console.web.filters import PageQuery


class ReturnForm(PageQuery):
    """Base class of forms. `back` is the address of the page with the form, to which the user then returns."""

    back: str = ""

    def return_to(self, *pages: str) -> str:
        """Return `back` if it is an address of one of `pages`, otherwise the first of `pages`."""
        return self.back if self.back.partition("?")[0] in pages else pages[0]
