"""Browsers may cache only static files whose address contains the hash of their content."""

import pytest
from httpx import Client

from console.web.rendering import static_urls

CACHED_FOR_A_YEAR = "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", static_urls().values())
def test_static_file_is_cached_under_its_content_hash(anonymous_client: Client, path: str) -> None:
    answer = anonymous_client.get(path)
    again = anonymous_client.get(path, headers={"if-none-match": answer.headers["etag"]})

    assert (answer.status_code, answer.headers["cache-control"]) == (200, CACHED_FOR_A_YEAR)
    assert (again.status_code, again.headers["cache-control"]) == (304, CACHED_FOR_A_YEAR)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/console.css", 200),
        ("/static/console.css?000000000000", 200),
        ("/static/no-such-file.css", 404),
        ("/static/no-such-file.css?000000000000", 404),
        ("/static/../app.py", 404),
        ("/static/", 404),
        ("/static", 307),
    ],
)
def test_other_responses_under_static_are_not_cached(anonymous_client: Client, path: str, status: int) -> None:
    answer = anonymous_client.get(path)

    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")


def test_refused_method_on_a_static_file_is_not_cached(anonymous_client: Client) -> None:
    answer = anonymous_client.post(next(iter(static_urls().values())))

    assert (answer.status_code, answer.headers["cache-control"]) == (405, "no-store")
