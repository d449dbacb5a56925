"""At process start, check that PostgreSQL and Redis accept their URLs, and find settings that may lose payments."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import redis

from config.database_urls import describe_database
from config.engines import Engines, UnreachableEngineError
from config.redis_clients import make_redis_client
from config.redis_urls import describe_redis, redis_database
from config.settings import Settings, SettingsError
from payments.store.db.connection import UnsuitableDatabaseError, connect, transaction
from payments.store.db.isolation import check_isolation
from payments.store.db.replication import Replication, read_replication
from payments.store.db.suitability import (
    UnreachableDatabaseError,
    check_database,
    durability_risks,
    first_line,
    translate_connection_errors,
)

_TIMEOUT_SECONDS = 5


def require_database(settings: Settings, database_url: str) -> None:
    """Check that PostgreSQL accepts the URL.

    Raises SettingsError if it refuses the URL: because of the credentials, the database's name or encoding, or missing
    table privileges. Raises UnreachableEngineError if it does not answer.
    """
    with translate_database_errors(settings, database_url):
        check_database(database_url, application_name="payments start")


def require_isolation(settings: Settings, database_url: str) -> None:
    """Check that PostgreSQL isolates companies from each other in the console's transactions.

    Raises SettingsError if it does not. If the server does not answer, nothing is raised: the console makes the same
    check on each new connection.
    """
    try:
        with translate_database_errors(settings, database_url):
            check_isolation(database_url, application_name="payments start")
    except UnreachableEngineError:
        return


@contextmanager
def translate_database_errors(settings: Settings, database_url: str) -> Iterator[None]:
    """Translate database errors that occur in the block. The translated errors name the setting that holds the URL.

    Raises SettingsError if PostgreSQL refuses a call, and UnreachableEngineError if it does not answer.
    """
    place = f"{describe_database_source(settings)}: {describe_database(database_url)}"
    try:
        with translate_connection_errors():
            yield
    except UnsuitableDatabaseError as error:
        raise SettingsError(f"{place}: {error}") from None
    except UnreachableDatabaseError as error:
        raise UnreachableEngineError(f"{place} does not answer: {error}") from None


def require_feed(settings: Settings, redis_url: str) -> None:
    """Check that Redis accepts the feed's URL.

    Raises SettingsError if it refuses the URL, and UnreachableEngineError if it does not answer.
    """
    _require_redis(f"{describe_feed_source(settings)}: {describe_redis(redis_url)}", redis_url)


def require_broker(settings: Settings, broker_url: str) -> None:
    """Check that Redis accepts the broker's URL.

    Raises SettingsError if it refuses the URL, and UnreachableEngineError if it does not answer. If the broker's URL is
    derived from REDIS_URL, the error names REDIS_URL.
    """
    if settings.celery_broker_url is not None:
        place = f"CELERY_BROKER_URL: {describe_redis(broker_url)}"
    else:
        number = redis_database(broker_url)
        place = (
            f"{describe_feed_source(settings)}: {describe_redis(broker_url)} (Celery's broker uses database {number}, "
            "the next one; CELERY_BROKER_URL can name another)"
        )
    _require_redis(place, broker_url)


def require_engines(settings: Settings, engines: Engines, *, database: bool = True, feed: bool = True) -> None:
    """Check that PostgreSQL and Redis accept their URLs. Raises SettingsError if one refuses its URL.

    A server that does not answer is not an error: a service may start while a server is down, and waits for that
    server. `database` and `feed` say whether the service uses PostgreSQL and the feed. Every service uses the broker.
    """
    for check in _engine_checks(settings, engines, database=database, feed=feed):
        try:
            check()
        except UnreachableEngineError:
            continue


def describe_database_source(settings: Settings) -> str:
    """Return the source of the database URL for error messages: `DATABASE_URL`, or "PostgreSQL of `payments up`"."""
    return "DATABASE_URL" if settings.database_url is not None else "PostgreSQL of `payments up`"


def describe_feed_source(settings: Settings) -> str:
    """Return the source of the feed URL for error messages: `REDIS_URL`, or "Redis of `payments up`"."""
    return "REDIS_URL" if settings.redis_url is not None else "Redis of `payments up`"


def durability_warnings(engines: Engines) -> list[str]:
    """Return a sentence for each server setting that may lose payments. Servers that do not answer are left out."""
    servers = {describe_redis(url).rpartition("/")[0]: url for url in (engines.redis_url, engines.broker_url)}
    found = list(_database_warnings(engines.database_url))
    for server, url in servers.items():
        try:
            with closing(_connect(url)) as client:
                found += [f"Redis at {server} {problem}" for problem in _redis_warnings(client)]
        except redis.RedisError:
            continue
    return found


def _engine_checks(settings: Settings, engines: Engines, *, database: bool, feed: bool) -> Iterator[Callable[[], None]]:
    if database:
        yield lambda: require_database(settings, engines.database_url)
    if feed:
        yield lambda: require_feed(settings, engines.redis_url)
    yield lambda: require_broker(settings, engines.broker_url)


def _require_redis(place: str, url: str) -> None:
    """Check that Redis accepts a URL and evicts no keys. `place` is the start of the error message.

    Raises SettingsError if Redis refuses the URL or evicts keys, and UnreachableEngineError if it does not answer.
    """
    try:
        with closing(_connect(url)) as client:
            client.ping()
            if policy := _evicting_policy(client):
                raise SettingsError(
                    f"{place}: it evicts entries when its memory is full (maxmemory-policy {policy}), and payments "
                    "would be lost; set maxmemory-policy noeviction"
                )
    except redis.exceptions.NoPermissionError as error:
        if "'ping'" not in str(error).lower():  # a user who may not ping is logged in
            raise SettingsError(f"{place}: {first_line(error)}") from None
    except (redis.AuthenticationError, redis.ResponseError) as error:
        raise SettingsError(f"{place}: {first_line(error)}") from None
    except (redis.RedisError, OSError) as error:
        raise UnreachableEngineError(f"{place} does not answer: {first_line(error)}") from None


def _connect(url: str) -> redis.Redis:
    return make_redis_client(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)


def _evicting_policy(client: redis.Redis) -> str | None:
    """Return Redis's eviction policy if it may evict keys without an expiry, such as streams; otherwise None.

    Also returns None if the user may not read the server's memory settings.
    """
    try:
        memory = client.info("memory")
    except redis.ResponseError:
        return None
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    return policy if memory.get("maxmemory") and policy.startswith("allkeys") else None


def _redis_warnings(client: redis.Redis) -> Iterator[str]:
    persistence = client.info("persistence")
    if not persistence.get("aof_enabled", 1) and _save_option(client) == "":
        yield "stores nothing on disk, and a restart loses payments that are not imported; set appendonly yes"


def _save_option(client: redis.Redis) -> str | None:
    """Return Redis's option `save`: empty if it takes no snapshots, None if it refuses the command CONFIG."""
    try:
        return client.config_get("save").get("save")
    except redis.ResponseError:
        return None


def replication_problems(found: Replication) -> Iterator[str]:
    """Yield a sentence for each problem of the standbys that may lose payments or stop the import."""
    if found.commits_wait and not found.synchronous:
        yield "commits wait for a standby (synchronous_standby_names), and none is connected; nothing is imported"
    elif found.standbys and not found.synchronous:
        names = ", ".join(each.name for each in found.asynchronous)
        yield (
            f"no standby is synchronous ({names}); a failover may lose the latest payments; set "
            "synchronous_standby_names"
        )
    for standby in found.lagging:
        yield f"the standby {standby.name} lags by {standby.lag // timedelta(seconds=1)} s"


def _database_warnings(database_url: str) -> Iterator[str]:
    database = connect(database_url, application_name="payments start", pool_size=1)
    try:
        with translate_connection_errors():
            if risks := durability_risks(database):
                yield (
                    f"PostgreSQL at {describe_database(database_url)} runs with {', '.join(risks)}, and a crash of its "
                    "machine may lose payments"
                )
            with transaction(database) as tx:
                found = read_replication(tx)
        for problem in replication_problems(found) if found else ():
            yield f"PostgreSQL at {describe_database(database_url)}: {problem}"
    except (UnsuitableDatabaseError, UnreachableDatabaseError):
        return
    finally:
        database.dispose()
