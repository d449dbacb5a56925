"""redis-py, kombu and Flower parse a URL of Sentinels in the same way. No error shows a part of the passwords."""

from typing import Any
from urllib.parse import quote

import pytest
import redis
from flower.utils import broker
from hypothesis import given
from kombu.connection import Connection
from kombu.transport.redis import SentinelChannel

from config.celery import celery_settings
from config.engines import Engines
from config.redis_clients import kombu_sentinel_options, kombu_tls_options, make_redis_client
from config.redis_urls import (
    default_broker_url,
    describe_redis,
    redis_database,
    split_sentinel_url,
    to_kombu_url,
    with_redis_database,
)
from tests.config.engine_clients import redis_url_of
from tests.config.test_engine_urls import passwords, refusal_of
from workers.runtime import flower_broker

pytestmark = pytest.mark.slow

SECRET = "sEcr3t"  # noqa: S105 (no password of anything)


class OfflineClient(redis.Redis):
    """A client that needs no server: it answers its own pings."""

    def ping(self):
        return True


class OfflineChannel(SentinelChannel):
    """kombu's channel with an OfflineClient, so that the ping at its start needs no server."""

    def _get_client(self):
        return OfflineClient


def read_pool(pool):
    """Return the connection values of a pool: (hosts, service, user, password, database, logins of the Sentinels)."""
    asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    logins = {(each.get("username"), each.get("password")) for each in asked}
    hosts = [(each["host"], each["port"]) for each in asked]
    options = pool.connection_kwargs
    return hosts, pool.service_name, options.get("username") or None, options.get("password"), options["db"], logins


def parse_with_redis(url):
    return read_pool(make_redis_client(url).connection_pool)


def parse_with_kombu(url):
    options, tls = kombu_sentinel_options(url), kombu_tls_options(url)
    connection = Connection(to_kombu_url(url), transport_options=options, ssl=tls or False)
    return read_pool(OfflineChannel(connection.transport)._sentinel_managed_pool())


def parse_with_flower(url, monkeypatch):
    monkeypatch.setattr(broker, "RedisSentinel", broker.RedisSentinel)
    flower_broker.read_queues_through_sentinels(split_sentinel_url(url).hosts)
    options, tls = kombu_sentinel_options(url), kombu_tls_options(url)
    shown = Connection(to_kombu_url(url)).as_uri(include_password=True)
    return read_pool(broker.Broker(shown, broker_options=options, broker_use_ssl=tls or False).redis.connection_pool)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("redis+sentinel://h/billing", ([("h", 26379)], "billing", None, None, 0, {(None, None)})),
        ("REDIS+SENTINEL://h:1/b/", ([("h", 1)], "b", None, None, 0, {(None, None)})),
        (
            "redis+sentinel://ann:p%3B%40@h1,[::1]:26380/my-service.1/007?sentinel_user=s&sentinel_password=x%2By",
            ([("h1", 26379), ("::1", 26380)], "my-service.1", "ann", "p;@", 7, {("s", "x+y")}),
        ),
        (
            "rediss+sentinel://:p@a:1,b:2,c:3/billing/2?ssl_ca_certs=/ca.pem&socket_timeout=5&sentinel_password=x",
            ([("a", 1), ("b", 2), ("c", 3)], "billing", None, "p", 2, {(None, "x")}),
        ),
    ],
)
def test_url_of_sentinels_is_parsed_alike_by_every_client(text, seen, monkeypatch):
    url = redis_url_of(text)

    assert parse_with_redis(url) == parse_with_kombu(url) == parse_with_flower(url, monkeypatch) == seen
    assert redis_url_of(url) == url


@given(passwords, passwords)
def test_percent_encoded_passwords_arrive_unchanged_at_every_client(password, other):
    written = f":{quote(password, safe='')}@h1,h2/billing/2?sentinel_password={quote(other, safe='')}"
    url = redis_url_of(f"redis+sentinel://{written}")

    for seen in (parse_with_redis(url), parse_with_kombu(url)):
        assert (seen[3], seen[5]) == (password, {(None, other)})


@given(passwords)
def test_unencoded_passwords_are_parsed_alike_by_every_client_or_refused_without_quoting_them(password):
    for text in (
        f"redis+sentinel://:{password}@one.example,two.example:1/billing/2",
        f"redis+sentinel://one.example,two.example:1/billing/2?sentinel_password={password}",
    ):
        if refusal_of({"REDIS_URL": text}):
            harmless = text.replace(f":{password}@", ":x@").replace(f"={password}", "=x")
            assert refusal_of({"REDIS_URL": harmless}) is None
            assert len(password) < 4 or password not in refusal_of({"REDIS_URL": text})
            continue
        url = redis_url_of(text)
        seen = parse_with_redis(url)
        assert seen == parse_with_kombu(url)
        assert seen[0] == [("one.example", 26379), ("two.example", 1)]
        given_password = seen[3] if seen[3] is not None else next(iter(seen[5]))[1]
        assert given_password == password or "%" in password


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+sentinel"])
def test_tls_is_used_for_servers_and_sentinels_only_with_the_scheme_rediss(scheme):
    url = redis_url_of(f"{scheme}://:{SECRET}@h/billing/0")
    pool: Any = make_redis_client(url).connection_pool
    (sentinel,) = pool.sentinel_manager.sentinels
    tls = "SSL" in pool.connection_class.__name__, "SSL" in sentinel.connection_pool.connection_class.__name__
    configured = celery_settings(Engines.from_urls("postgresql://h/d", url))

    is_encrypted = scheme.startswith("rediss")
    assert tls == (is_encrypted, is_encrypted)
    assert configured["broker_use_ssl"] == ({"ssl_cert_reqs": "required"} if is_encrypted else False)
    assert configured["broker_transport_options"]["sentinel_kwargs"].get("ssl", False) is is_encrypted


@pytest.mark.parametrize(("option", "seconds"), [("", 5), ("?socket_timeout=30", 30)])
def test_socket_timeout_is_five_seconds_unless_the_url_sets_another(option, seconds):
    url = redis_url_of(f"redis+sentinel://h/billing/0{option}")

    assert make_redis_client(url).get_connection_kwargs()["socket_timeout"] == seconds
    configured = celery_settings(Engines.from_urls("postgresql://h/d", url))["broker_transport_options"]
    assert configured["socket_timeout"] == seconds
    assert make_redis_client("redis://h/0").get_connection_kwargs()["socket_timeout"] == 15


def test_broker_defaults_to_the_next_database_of_the_same_sentinel_service():
    url = redis_url_of(f"redis+sentinel://:{SECRET}@a:1,[::1]/billing/2?sentinel_password=x%40")

    assert (redis_database(url), redis_database(default_broker_url(url))) == (2, 3)
    assert default_broker_url(url) == f"redis+sentinel://:{SECRET}@a:1,[::1]/billing/3?sentinel_password=x%40"
    assert with_redis_database(default_broker_url(url), 2) == url


def test_description_and_repr_show_no_password():
    url = redis_url_of(
        f"rediss+sentinel://ann:{SECRET}@a:1,b/billing/2?sentinel_password={SECRET}&ssl_password={SECRET}"
    )

    assert describe_redis(url) == "rediss+sentinel://a:1,b/billing/2"
    assert SECRET not in repr(split_sentinel_url(url))
    assert SECRET not in repr(make_redis_client(url))
