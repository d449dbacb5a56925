"""Connections whose URLs require encryption send no clear text. They reject unknown certificates."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy.exc import OperationalError

from config.celery import fail_fast
from config.engines import Engines
from config.redis_urls import default_broker_url
from emr.client import PaymentFeed
from emr.errors import FeedUnreachableError
from payments.store.db.connection import connect, is_reachable
from tasks.resources import connect_redis
from tests.builders.events import saved_payment
from tests.engines import empty_redis
from tests.ops.test_rights import message_round_trip
from tests.proxies import make_certificate, tls_proxy

pytestmark = pytest.mark.acceptance

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def encrypted_url(redis_url, certificate) -> Iterator[str]:
    """The rediss:// URL of the Redis server behind a TLS proxy, without a certificate option."""
    empty_redis(default_broker_url(redis_url))  # messages left by other tests would be received first
    target = urlsplit(redis_url)
    with tls_proxy(certificate, (target.hostname, target.port)) as port:
        login, at, _ = target.netloc.rpartition("@")
        yield target._replace(scheme="rediss", netloc=f"{login}{at}127.0.0.1:{port}").geturl()


def url_with_ca(url, certificate):
    return f"{url}?ssl_ca_certs={certificate[0]}"


def test_feed_and_broker_connect_with_a_known_certificate(encrypted_url, certificate):
    url = url_with_ca(encrypted_url, certificate)
    with PaymentFeed(url, "encrypted") as feed:
        assert feed.publish(saved_payment())
    with closing(connect_redis(url)) as client:
        assert client.xlen("encrypted") == 1
        client.delete("encrypted")
    assert message_round_trip(Engines.from_urls("postgresql+psycopg://u@h/d", url))


def test_unknown_certificate_is_rejected(encrypted_url):
    with PaymentFeed(encrypted_url, "encrypted") as feed, pytest.raises(FeedUnreachableError, match="certificate"):
        feed.publish(saved_payment())
    with closing(connect_redis(encrypted_url)) as client, pytest.raises(redis.ConnectionError, match="certificate"):
        client.ping()
    with pytest.raises(Exception, match=r"(?i)certificate"):
        # fail_fast: without retries, which would fail in the same way.
        message_round_trip(Engines.from_urls("postgresql+psycopg://u@h/d", encrypted_url), fail_fast)


def test_postgres_connection_starts_with_encryption():
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    received.append(client.recv(4_096))
                    client.sendall(b"N")  # the reply of a server without encryption
                    received.append(client.recv(4_096))

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        engine = connect(f"postgresql+psycopg://ann:secret@127.0.0.1:{port}/d?sslmode=require", application_name="tls")
        assert not is_reachable(engine)
        with pytest.raises(OperationalError, match="SSL"):
            engine.connect()
        listener.shutdown(socket.SHUT_RDWR)

    assert set(received) == {SSL_REQUEST, b""}
