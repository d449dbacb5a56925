"""URLs that ask for encryption send nothing in clear text and reject unknown certificates."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy.exc import OperationalError

from config.celery import fail_fast
from config.engines import Engines
from config.urls import default_broker_url
from emr.client import FeedUnreachableError, PaymentFeed
from payments.store.db.connection import connect, is_reachable
from tasks.resources import connect_redis
from tests.engines import flush
from tests.make import saved
from tests.ops.test_rights import messages_come_back

pytestmark = pytest.mark.acceptance

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1, which no authority vouches for, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=feed"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(["openssl", *asked.split(), *names], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def encrypted_url(redis_url, certificate) -> Iterator[str]:
    """The real server behind an end of a TLS connection, as rediss:// without a word on certificates."""
    flush(default_broker_url(redis_url))  # what others left there would come back first
    there = urlsplit(redis_url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with passage(context, (there.hostname, there.port)) as port:
        login, at, _ = there.netloc.rpartition("@")
        yield there._replace(scheme="rediss", netloc=f"{login}{at}127.0.0.1:{port}").geturl()


@contextmanager
def passage(context: ssl.SSLContext, there: tuple[str, int]) -> Iterator[int]:
    """Offer a server's port encrypted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    threading.Thread(target=pass_on, args=(near,), daemon=True).start()

        def pass_on(near: socket.socket) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(near, server_side=True) as inside,
                socket.create_connection(there) as far,
            ):
                threading.Thread(target=pump, args=(far, inside), daemon=True).start()
                pump(inside, far)

        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_RDWR)


def trusting(url, certificate):
    return f"{url}?ssl_ca_certs={certificate[0]}"


def test_feed_and_broker_connect_with_a_known_certificate(encrypted_url, certificate):
    url = trusting(encrypted_url, certificate)
    with PaymentFeed(url, "encrypted") as feed:
        assert feed.publish(saved())
    with closing(connect_redis(url)) as client:
        assert client.xlen("encrypted") == 1
        client.delete("encrypted")
    assert messages_come_back(Engines.named("postgresql+psycopg://u@h/d", url))


def test_unknown_certificate_is_rejected(encrypted_url):
    with PaymentFeed(encrypted_url, "encrypted") as feed, pytest.raises(FeedUnreachableError, match="certificate"):
        feed.publish(saved())
    with closing(connect_redis(encrypted_url)) as client, pytest.raises(redis.ConnectionError, match="certificate"):
        client.ping()
    with pytest.raises(Exception, match=r"(?i)certificate"):
        # One who does not ask again and again: the answer is the same each time.
        messages_come_back(Engines.named("postgresql+psycopg://u@h/d", encrypted_url), fail_fast)


def test_postgres_connection_starts_with_encryption():
    said = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                with near:
                    said.append(near.recv(4_096))
                    near.sendall(b"N")  # as a server without encryption does
                    said.append(near.recv(4_096))

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        engine = connect(f"postgresql+psycopg://ann:secret@127.0.0.1:{port}/d?sslmode=require", application_name="tls")
        assert not is_reachable(engine)
        with pytest.raises(OperationalError, match="SSL"):
            engine.connect()
        listener.shutdown(socket.SHUT_RDWR)

    assert set(said) == {SSL_REQUEST, b""}
