"""Limit the size of request bodies, so that no request fills the memory or the disk of the console."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.web.errors import PageError

FILE_BYTES_MAX = 10_000_000
"""The largest file that can be uploaded. A form with 100,000 ticked rows is smaller."""
_BODY_BYTES_MAX = FILE_BYTES_MAX + 100_000
_DISCARDED_BYTES_MAX = 10 * FILE_BYTES_MAX
"""The rest of a body that is too large is read up to this size, so that the browser shows the error."""


class BodyLimit:
    """ASGI middleware that limits the body of a request. Reading a larger body raises PageError (413)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        await self._app(scope, _LimitedBody(receive) if scope["type"] == "http" else receive, send)


class _LimitedBody:
    def __init__(self, receive: Receive) -> None:
        self._receive, self._count = receive, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._count += len(message.get("body", b""))
        if self._count <= _BODY_BYTES_MAX:
            return message
        while message.get("more_body") and self._count < _DISCARDED_BYTES_MAX:
            message = await self._receive()
            self._count += len(message.get("body", b""))
        raise too_large()


def too_large() -> PageError:
    """Return the error for a file or form that is too large."""
    sentence = f"The file or form is larger than {FILE_BYTES_MAX // 1_000_000} MB."
    return PageError(413, sentence, "Export fewer days or one clinic, or send less at a time.")
