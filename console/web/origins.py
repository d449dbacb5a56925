"""Where a request comes from: whose address, which page of ours, a person or a program."""

from urllib.parse import urlsplit

from fastapi import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that change nothing."""


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return request.client.host if request.client else "unknown"


def came_from(request: Request) -> str | None:
    """Return the page of ours from which a request was made, None where it came from elsewhere or would only repeat."""
    try:
        told = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # a browser would not write it
        return None
    page = told.path + (f"?{told.query}" if told.query else "")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    is_ours = told.netloc == request.url.netloc and told.path.startswith("/") and not told.path.startswith("//")
    repeats = page == here and request.method in SAFE_METHODS
    return page if is_ours and not repeats else None


def is_for_programs(request: Request) -> bool:
    """Say whether a program asks, which is answered in JSON."""
    return request.url.path == "/api" or request.url.path.startswith("/api/")
