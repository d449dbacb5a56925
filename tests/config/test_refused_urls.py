"""A URL that clients parse differently is rejected. The error is one line without any part of the password."""

import pytest

from config.settings import SettingsError, read_settings
from tests.config.engine_clients import database_url_of, redis_url_of

pytestmark = pytest.mark.slow

SECRET = "sEcr3t"  # noqa: S105 (no password of anything)
ENCODE, PORT = "percent-encode it", "the port is not a number from 1 to 65535"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"postgresql://u:{SECRET}#{SECRET}@h/d", ENCODE),
        (f"postgresql://u:{SECRET}?{SECRET}@h/d", ENCODE),
        (f"postgresql://u:{SECRET}/{SECRET}@h/d", ENCODE),
        (f"postgresql://u:{SECRET}%zz@h/d", "write % as %25"),
        (f"postgresql://u:{SECRET}%ff@h/d", "not UTF-8"),
        (f"postgresql://u:{SECRET}%00@h/d", "null byte"),
        (f"postgresql://u:{SECRET} {SECRET}@h/d", "a space in a password is %20"),
        (f"postgresql://u:{SECRET}\n{SECRET}@h/d", "line break"),
        (f"postgresql://u:{SECRET}\udcff@h/d", "control character"),
        (f"postgresql://h/d?user=u&password={SECRET}", "user: write user and password before the host"),
        (f"postgresql://u@h/d?password={SECRET}", "password: write user and password before the host"),
        (f"postgresql://u:{SECRET}@h/d?pgbouncer=1", "pgbouncer: write pgbouncer=true, or remove it"),
        (f"postgresql://u:{SECRET}@h/d?pgbouncer=true&options=-cjit%3Don", "options: PgBouncer does not pass them on"),
        (f"postgresql://u:{SECRET}@h/d?pooler=true", "pooler: there is no such option"),
        (f"postgresql://u:{SECRET}@h/d?schema=billing", "schema: the tables are in the schema public"),
        (f"postgresql://u:{SECRET}@h/d?options=-csearch_path%3Dx", "options: the tables are in the schema public"),
        (f"postgresql://u:{SECRET}@h/d?options=--search-path%3Dx", "options: the tables are in the schema public"),
        (f"postgresql://u:{SECRET}@h/d?application_name=x", "application_name: remove it"),
        (f"postgresql://u:{SECRET}@h/d?client_encoding=latin1", "client_encoding: remove it"),
        (f"postgresql://u:{SECRET}@h/d?dbname=x", "dbname: write the database after the host"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=require&sslmode=disable", "sslmode: give it once"),
        (f"postgresql://u:{SECRET}@h/d?sslmode", "expected name=value"),
        (f"postgresql://u:{SECRET}@h/d?sslmode=", "expected name=value"),
        (f"postgresql://u:{SECRET}@h/d?{SECRET}!=1", "expected name=value"),
        (f"postgresql://u:{SECRET}@h/d?host=/run/pg", "host, port: give the hosts before the database"),
        (f"postgresql://u:{SECRET}@/d?host=a,b&port=1,2,3", "port: expected one number, or one for each host"),
        (f"postgresql://u:{SECRET}@h:0/d", PORT),
        (f"postgresql://u:{SECRET}@h:65536/d", PORT),
        (f"postgresql://u:{SECRET}@h1:1,h2:99999999999/d", PORT),
        (f"postgresql://u:{SECRET}/d", "the port is not a number"),
        (f"postgresql://u:{SECRET}@:5432/d", "the host is missing"),
        (f"postgresql://u:{SECRET}@h,/d", "the host is missing"),
        (f"postgresql://u:{SECRET}@a..b/d", "the host is missing, or has a character"),
        (f"postgresql://u:{SECRET}@münchen/d", "the host is missing, or has a character"),
        (f"postgresql://u:{SECRET}@[::1/d", "IPv6 address in brackets"),
        (f"postgresql://u:{SECRET}@[fe80::1%25eth0]/d", "IPv6 address without a zone"),
        (f"postgresql+psycopg2://u:{SECRET}@h/d", "expected a URL that starts with postgresql://"),
        (f"postgressql://u:{SECRET}@h/d", "expected a URL that starts with postgresql://"),
        (f"'postgresql://u:{SECRET}@h/d'", "remove the quotes"),
        (f'"postgresql://u:{SECRET}@h/d"', "remove the quotes"),
        (f"host=h user=u password={SECRET}", "expected a URL that starts with postgresql://"),
    ],
)
def test_database_url_that_clients_parse_differently_is_refused_in_one_line(text, problem):
    with pytest.raises(SettingsError) as error:
        database_url_of(text)

    assert str(error.value).startswith("DATABASE_URL: ")
    assert problem in str(error.value)
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"redis://:46380#{SECRET}@cache.example:6379/0", ENCODE),
        (f"redis://:pa#{SECRET}@h:6379/0", ENCODE),
        (f"redis://:pa/{SECRET}@h:6379/0", ENCODE),
        (f"redis://:pa?{SECRET}@h:6379/0", ENCODE),
        (f"redis://:{SECRET}%z@h:6379/0", "write % as %25"),
        (f"redis://:{SECRET}:6379/0", "the port is not a number"),
        (f"redis://:{SECRET}@h:99999/0", PORT),
        (f"redis://:{SECRET}@:6379/0", "the host is missing"),
        (f"redis://:{SECRET}@/0", "expected one host"),
        (f"redis://:{SECRET}@a,b/0", "expected one host"),
        (f"redis://:{SECRET}@h/{SECRET}", "expected a database number"),
        (f"redis://:{SECRET}@h/-1", "expected a database number"),
        (f"redis://:{SECRET}@h/٣", "expected a database number"),
        (f"redis://:{SECRET}@h/0/1", "expected a database number"),
        (f"redis://:{SECRET}@h/0?db=3", "db: the path of the URL names another database number"),
        (f"redis://h/0?password={SECRET}", "password: write user and password before the host"),
        (f"redis://h/0?username=u&password={SECRET}", "username: write user and password before the host"),
        (f"redis://:{SECRET}@h/0?ssl_cert_reqs=none", "ssl_cert_reqs: it needs a URL that starts with rediss://"),
        (f"rediss://:{SECRET}@h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs: expected required, optional or none"),
        (f"redis://:{SECRET}@h/0?retry=1", "retry: there is no such option"),
        (f"redis://:{SECRET}@h/0?socket_timeout=nan", "socket_timeout: expected more than 1 second"),
        (f"redis://:{SECRET}@h/0?socket_connect_timeout=0", "socket_connect_timeout: expected a number of seconds"),
        (f"redis://:{SECRET}@h/0?health_check_interval=0.5", "health_check_interval: expected a whole number"),
        (f"redis://:{SECRET}@h/0?decode_responses=yes", "decode_responses: remove it"),
        (f"unix://:{SECRET}@run/redis.sock", "three slashes"),
        (f"unix://:{SECRET}@/run/redis.sock?db={SECRET}", "expected a database number"),
        (f"redis+sentinel://:{SECRET}@a:26379,b:26379", "expected the service of the Sentinels and a database number"),
        (f"redis+sentinel://:{SECRET}@a:26379/{SECRET}!/0", "expected the service of the Sentinels"),
        (f"redis+sentinel://:{SECRET}@a:26379/billing/{SECRET}", "expected a database number"),
        (f"redis+sentinel://:{SECRET}@/billing/0", "expected the hosts of the Sentinels"),
        (f"redis+sentinel://:{SECRET}@%2Frun%2Fs/billing/0", "expected the hosts of the Sentinels"),
        (f"redis+sentinel://:{SECRET}@a/billing?db=1", "db: write the database after the service: /SERVICE/0"),
        (f"redis+sentinel://:{SECRET}@a/b/0?sentinel_user=u", "sentinel_user: it needs the option sentinel_password"),
        (f"redis+sentinel://:{SECRET}@a/b/0?ssl_cert_reqs=none", "ssl_cert_reqs: it needs a URL that starts with"),
        (
            f"redis://h/0?sentinel_password={SECRET}",
            "sentinel_password: it needs a URL that starts with redis+",
        ),
        (f"sentinel://:{SECRET}@a:26379/0", "expected a URL that starts with redis://"),
        (f"redis+socket://:{SECRET}@/run/redis.sock", "expected a URL that starts with redis://"),
        (f"redi://:{SECRET}@h", "expected a URL that starts with redis://"),
        (f"'redis://:{SECRET}@h/0'", "remove the quotes"),
    ],
)
def test_redis_url_that_clients_parse_differently_is_refused_in_one_line(name, text, problem):
    with pytest.raises(SettingsError) as error:
        redis_url_of(text, name)

    assert str(error.value).startswith(f"{name}: ")
    assert problem in str(error.value)
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


def test_error_of_a_refused_url_has_no_cause_that_quotes_the_url():
    with pytest.raises(SettingsError) as error:
        read_settings({"REDIS_URL": f"redis://:{SECRET}#@h"})

    assert error.value.__suppress_context__
    assert error.value.__cause__ is None
