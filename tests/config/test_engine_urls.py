"""Every client library parses an accepted URL of PostgreSQL or Redis in the same way."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from config.database_urls import describe_database, with_database
from config.redis_clients import kombu_tls_options
from config.redis_urls import default_broker_url, describe_redis, to_kombu_url, with_redis_database
from config.settings import SettingsError, read_settings
from tests.config.engine_clients import (
    database_url_of,
    parse_with_database_clients,
    parse_with_redis_clients,
    redis_url_of,
)

pytestmark = pytest.mark.slow

# Every character that can stand in an environment variable, and those that clients disagree about more often.
any_character = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
passwords = st.text(st.one_of(st.sampled_from("#?/@%:&=+;,[]\\'\" {}$ü€é😀"), any_character), min_size=1, max_size=20)
SECRET = "sEcr3t"  # noqa: S105 (no password of anything)


@given(passwords)
def test_percent_encoded_password_arrives_unchanged_at_every_client(password):
    written = quote(password, safe="")

    for seen in parse_with_database_clients(database_url_of(f"postgresql://ann:{written}@db:5433/ledger")):
        assert (seen["user"], seen["password"]) == ("ann", password)
        assert (seen["host"], seen["port"], seen["dbname"]) == ("db", "5433", "ledger")
    for seen in parse_with_redis_clients(redis_url_of(f"redis://ann:{written}@cache:6380/2")):
        assert seen == ("ann", password, "cache", 6380, 2)


def refusal_of(environ):
    """Load the settings from `environ`. Return the message of the SettingsError that this raises, or None."""
    try:
        read_settings(environ)
    except SettingsError as error:
        return str(error)
    return None


def is_special(character):
    """Return whether the settings reject a URL with this character in its password."""
    return character in "#?/@%:" or not character.isprintable() or character.isspace()


@given(passwords, st.sampled_from(["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"]))
def test_unencoded_password_is_parsed_alike_by_every_client_or_refused_without_quoting_it(password, name):
    scheme = "postgresql" if name == "DATABASE_URL" else "redis"
    environ = {name: f"{scheme}://ann:{password}@host.example:6380/2"}
    if refusal := refusal_of(environ):
        # With another password in the same place the message is the same, so it quotes nothing.
        other = "".join(each if is_special(each) else "x" for each in password)
        assert refusal == refusal_of({name: f"{scheme}://ann:{other}@host.example:6380/2"}) or "%" in password
        assert refusal.startswith(f"{name}: ")
        return
    if name == "DATABASE_URL":
        seen = parse_with_database_clients(database_url_of(environ[name]))
        users = {(each["user"], each["password"], each["host"]) for each in seen}
    else:
        users = {each[:3] for each in parse_with_redis_clients(redis_url_of(environ[name], name))}
    ((user, seen_password, host),) = users
    assert (user, host) == ("ann", "host.example")
    # Only `%41` and the like have a second reading, which is the one of the standard.
    assert seen_password == password or "%" in password


@given(st.text("QZJX", min_size=3, max_size=9), st.text("#?/%: \n[]", min_size=1, max_size=3))
def test_refusal_quotes_no_part_of_a_password(letters, marks):
    password = letters + marks + letters
    for name, text in (
        ("DATABASE_URL", f"postgresql://u:{password}@h/d"),
        ("DATABASE_URL", f"postgresql://u@h/d?password={password}"),
        ("REDIS_URL", f"redis://:{password}@h/0"),
        ("CELERY_BROKER_URL", f"redis://{password}"),
        ("REDIS_URL", f"unix://:{password}@run"),
    ):
        refusal = refusal_of({name: text}) or ""
        assert [part for part in (letters[at : at + 3] for at in range(len(letters) - 2)) if part in refusal] == []


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("postgres://u@[::1]:5433/d", ("u", "::1", "5433", "d")),
        ("postgresql://u@h/my%20clinic", ("u", "h", "", "my clinic")),
        ("postgresql://u@%2Frun%2Fpg/d", ("u", "/run/pg", "5432", "d")),
        ("postgresql://u@/d?host=/run/pg&port=5433", ("u", "/run/pg", "5433", "d")),
        ("postgresql://u@/d?host=h1,h2&port=5433", ("u", "h1,h2", "5433,5433", "d")),
        ("postgresql://u@h1:5433,h2/d?target_session_attrs=read-write", ("u", "h1,h2", "5433,5432", "d")),
        ("postgresql://u@h1,[::1]:5433/d", ("u", "h1,::1", "5432,5433", "d")),
        ("postgresql:///d", ("", "", "", "d")),
        ("postgresql://u@h", ("u", "h", "", "")),
        (" \npostgresql://u@h/d\n ", ("u", "h", "", "d")),
        ("postgresql://u@h/d?sslmode=verify-full&sslrootcert=/etc/ca+1.pem", ("u", "h", "", "d")),
        ("postgresql://u@h/d?options=-cstatement_timeout=5s", ("u", "h", "", "d")),
        ("postgresql://u@h:6432/d?sslmode=require&pgbouncer=true", ("u", "h", "6432", "d")),
    ],
)
def test_database_url_is_parsed_alike_by_every_client(text, seen):
    url = database_url_of(text)

    for each in parse_with_database_clients(url):
        assert (each["user"], each["host"], each["port"], each["dbname"]) == seen
    assert database_url_of(url) == url


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("postgresql://u@h1,h2/d", "read-write"),
        ("postgresql://u@/d?host=/run/a,/run/b", "read-write"),
        ("postgresql://u@h1,h2/d?target_session_attrs=any", "any"),
        ("postgresql://u@h1/d", ""),
    ],
)
def test_first_of_several_hosts_that_accepts_writes_is_used_by_default(text, target):
    seen = parse_with_database_clients(database_url_of(text))

    assert {each["target_session_attrs"] for each in seen} == {target}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("redis://h", (None, None, "h", 6379, 0)),
        ("REDIS://h:6380/", (None, None, "h", 6380, 0)),
        ("redis://h/007", (None, None, "h", 6379, 7)),
        ("redis://h?db=3", (None, None, "h", 6379, 3)),
        ("redis://h/3?db=3&socket_timeout=5&client_name=billing", (None, None, "h", 6379, 3)),
        ("redis://:p@[::1]:6380/2", (None, "p", "::1", 6380, 2)),
        ("rediss://ann:p@h/1?ssl_cert_reqs=CERT_NONE&ssl_check_hostname=False", ("ann", "p", "h", 6379, 1)),
    ],
)
def test_redis_url_is_parsed_alike_by_every_client(text, seen):
    url = redis_url_of(text)

    assert parse_with_redis_clients(url) == [seen] * 3
    assert parse_with_redis_clients(default_broker_url(url)) == [(*seen[:4], seen[4] + 1)] * 3
    assert redis_url_of(url) == url


def test_url_of_a_unix_socket_is_parsed_alike_by_every_client():
    url = redis_url_of("unix://ann:a%2Bb@/run/my%20redis;1.sock?db=2&socket_timeout=5")
    seen, kombu = parse_url(default_broker_url(url)), to_kombu_url(default_broker_url(url))

    assert (seen["username"], seen["password"], seen["path"], seen["db"]) == ("ann", "a+b", "/run/my redis;1.sock", 3)
    assert kombu == "redis+socket://ann:a%2Bb@/run/my%20redis%3B1.sock?virtual_host=3"


# The parts of a password that no message may contain, in these URLs.
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (f"postgresql://u:{SECRET}@h:5433/d?sslpassword={SECRET}", "postgresql://u:***@h:5433/d"),
        (f"postgresql://u:{SECRET}@/d?host=/tmp/s", "postgresql://u:***@/tmp/s/d"),
        (f"postgresql://u:{SECRET}@a,b/d", "postgresql://u:***@a,b/d"),
        ("postgresql://h/d", "postgresql://h/d"),
    ],
)
def test_database_is_described_without_password_and_options(text, printed):
    assert describe_database(database_url_of(text)) == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (f"redis://{SECRET}@h:6380/1", "redis://h:6380/1"),
        (f"rediss://u:{SECRET}@h?ssl_password={SECRET}", "rediss://h/0"),
        (f"unix://:{SECRET}@/run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ],
)
def test_redis_is_described_without_credentials_and_options(text, printed):
    assert describe_redis(redis_url_of(text)) == printed


@pytest.mark.parametrize(
    ("feed", "broker"),
    [
        ("redis://h:6379", "redis://h:6379/1"),
        ("rediss://u:p@h:6380/4?ssl_cert_reqs=required", "rediss://u:p@h:6380/5?ssl_cert_reqs=required"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=3"),
    ],
)
def test_broker_defaults_to_the_next_redis_database_number(feed, broker):
    assert default_broker_url(feed) == broker


def test_kombu_gets_the_tls_options_separately_from_the_url():
    url = redis_url_of(
        "rediss://h/1?socket_timeout=5&ssl_ca_certs=/etc/c%2Fa.pem&ssl_check_hostname=False&client_name=x"
    )

    assert to_kombu_url(url) == "rediss://h/1"
    options = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/etc/c/a.pem", "ssl_check_hostname": False}
    assert kombu_tls_options(url) == options
    assert kombu_tls_options(redis_url_of("rediss://h/1?ssl_cert_reqs=none"))["ssl_cert_reqs"] == "none"


def test_redis_url_can_be_changed_to_another_database():
    assert with_redis_database("redis://:p@h/0", 9) == "redis://:p@h/9"
    assert with_database("postgresql+psycopg:///d?host=/tmp/s", "e") == "postgresql+psycopg:///e?host=/tmp/s"
    assert with_database("postgresql+psycopg://u:p@h/d", "e f") == "postgresql+psycopg://u:p@h/e%20f"
