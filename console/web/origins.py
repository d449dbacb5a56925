"""The origin of a request: the client's address, the referring page, and whether a page or a program sent it."""

from urllib.parse import urlsplit

from fastapi import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The HTTP methods that change nothing."""

BACKGROUND_HEADER = "x-payments-request"


def client_address(request: Request) -> str:
    """Return the network address of the client."""
    return request.client.host if request.client else "unknown"


def is_background(request: Request) -> bool:
    """Return whether a page sent the request to refresh itself, without an action of the user.

    A background request does not keep a session alive. It has BACKGROUND_HEADER with the value `refresh`.
    """
    return request.headers.get(BACKGROUND_HEADER) == "refresh"


def referring_page(request: Request) -> str | None:
    """Return the address of the page of this console from which the user sent the request.

    Returns None if the request came from another site, or if a page is only reloaded.
    """
    try:
        referer = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # no browser sends such an address
        return None
    page = referer.path + (f"?{referer.query}" if referer.query else "")
    current = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    is_own = referer.netloc == request.url.netloc and referer.path.startswith("/") and not referer.path.startswith("//")
    is_repeat = page == current and request.method in SAFE_METHODS
    return page if is_own and not is_repeat else None


def is_api_request(request: Request) -> bool:
    """Return whether the request is for the API. The API answers in JSON."""
    return request.url.path == "/api" or request.url.path.startswith("/api/")
