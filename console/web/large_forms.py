"""Forms with a checkbox for each row of a list. They need a higher limit than the framework's 1,000 fields."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

FIELDS_MAX = 100_000
"""Maximum number of fields of a form. It exceeds the number of clinics, exceptions or payments on any page."""


class LargeFormRoute(APIRoute):
    """A route whose form may have up to FIELDS_MAX fields.

    A route that reads a list from a form must be of this class.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route. It reads forms as `_LargeFormRequest`."""
        handle = super().get_route_handler()

        async def handle_large_form(request: Request) -> Response:
            return await handle(_LargeFormRequest(request.scope, request.receive))

        return handle_large_form


class _LargeFormRequest(Request):
    def form(self, **limits: Any) -> Any:
        """Return the fields of the form."""
        return super().form(**{"max_fields": FIELDS_MAX} | limits)
