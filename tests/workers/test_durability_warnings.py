"""`payments up` and `payments health` warn about PostgreSQL and Redis settings that may lose payments."""

from contextlib import closing

import pytest
import redis

from config.engines import Engines
from config.settings import SettingsError, read_settings
from tasks.engine_check import durability_warnings, require_feed
from tests.workers.conftest import ENCODED_PASSWORD, PASSWORD

pytestmark = pytest.mark.slow

UNREACHABLE_DATABASE_URL = "postgresql+psycopg://u:sEcr3t@127.0.0.1:1/none"
NOT_STORED_WARNING = "stores nothing on disk"


@pytest.fixture
def durability_warnings_of(protected_redis):
    """Return a function that configures the Redis server, logs in as `login`, and returns the warnings."""
    port, _ = protected_redis
    defaults = {"maxmemory": "0", "maxmemory-policy": "noeviction", "appendonly": "no", "save": ""}

    def durability_warnings_of(login=f":{ENCODED_PASSWORD}", **options):
        for name, value in (defaults | options).items():
            server.config_set(name.replace("_", "-"), value)
        url = f"redis://{login}@127.0.0.1:{port}/0"
        return durability_warnings(Engines.from_urls(UNREACHABLE_DATABASE_URL, url))

    with closing(redis.Redis(port=port, password=PASSWORD)) as server:
        server.execute_command("ACL SETUSER managed on >sEcr3t ~* &* +@all -@admin -@dangerous +info")
        yield durability_warnings_of
        for name, value in defaults.items():
            server.config_set(name, value)


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"save": "3600 1"}, []),
        ({"appendonly": "yes"}, []),
        ({}, [NOT_STORED_WARNING]),
    ],
)
def test_warning_names_redis_settings_that_may_lose_entries(durability_warnings_of, options, problems):
    warnings = durability_warnings_of(**options)

    # The feed and the broker are on one server, which is warned about once.
    assert len(warnings) == len(problems)
    for warning, problem in zip(warnings, problems, strict=True):
        assert warning.startswith("Redis at redis://127.0.0.1:")
        assert problem in warning
        assert "sEcr3t" not in warning


@pytest.mark.parametrize(
    ("options", "is_refused"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, False),
        ({"maxmemory": "100mb"}, False),
        ({"maxmemory": "100mb", "maxmemory_policy": "volatile-lru"}, False),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, True),
    ],
)
@pytest.mark.parametrize("login", [f":{ENCODED_PASSWORD}", "managed:sEcr3t"])
def test_redis_that_evicts_streams_is_refused_at_start(
    durability_warnings_of, protected_redis, options, is_refused, login
):
    durability_warnings_of(**options)  # configures the server
    url = f"redis://{login}@127.0.0.1:{protected_redis[0]}/0"
    settings = read_settings({"REDIS_URL": url})
    if not is_refused:
        require_feed(settings, url)
        return

    with pytest.raises(SettingsError, match=r"REDIS_URL: .* \(maxmemory-policy allkeys-lru\)") as refusal:
        require_feed(settings, url)
    assert "sEcr3t" not in str(refusal.value)


def test_redis_user_without_read_permissions_gets_no_durability_warning(durability_warnings_of):
    assert durability_warnings_of("nobody:any") == []


def test_warning_names_postgresql_settings_that_may_lose_commits(server_url):
    (warning,) = durability_warnings(Engines.from_urls(server_url, "redis://127.0.0.1:1/0"))

    assert "runs with fsync=off, full_page_writes=off, synchronous_commit=off" in warning
