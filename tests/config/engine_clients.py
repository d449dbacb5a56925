"""Parse a URL of PostgreSQL or Redis: with the product's settings, and with each client library."""

from flower.utils.broker import Broker
from kombu.connection import Connection
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from config.database_urls import libpq_url
from config.redis_urls import to_kombu_url
from config.settings import read_settings
from payments.store.db.session_settings import split_pooler


def database_url_of(text):
    return read_settings({"DATABASE_URL": text}).database_url


def redis_url_of(text, name="REDIS_URL"):
    settings = read_settings({name: text})
    return settings.redis_url if name == "REDIS_URL" else settings.celery_broker_url


def parse_with_database_clients(url):
    """Return the connection parameters that psycopg and SQLAlchemy derive from a URL."""
    _, alchemy = PGDialect_psycopg().create_connect_args(split_pooler(url)[0])
    names = {"user": "", "password": "", "host": "", "port": "", "dbname": "", "target_session_attrs": ""}
    return [{name: str(seen.get(name, "")) for name in names} for seen in (conninfo_to_dict(libpq_url(url)), alchemy)]


def parse_with_redis_clients(url):
    """Return the user, password, host, port and database that redis-py, kombu and Flower derive from a URL."""
    seen, kombu = parse_url(url), Connection(to_kombu_url(url))
    flower = Broker(Connection(to_kombu_url(url)).as_uri(include_password=True), broker_use_ssl={})
    return [
        (seen.get("username"), seen.get("password"), seen["host"], seen.get("port", 6379), seen.get("db", 0)),
        (kombu.userid, kombu.password, kombu.hostname, kombu.port or 6379, int(kombu.virtual_host.strip("/") or 0)),
        (flower.username or None, flower.password or None, flower.host, flower.port, flower.vhost),
    ]
