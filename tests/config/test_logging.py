import io
import json
import logging

import pytest
import structlog

from config.logging import configure_logging
from config.settings import read_settings


@pytest.fixture
def stream():
    """A place to log to; what was configured before comes back afterwards."""
    root = logging.getLogger()
    handlers, level, warned = root.handlers[:], root.level, logging._warnings_showwarning
    yield io.StringIO()
    root.handlers[:], _ = handlers, root.setLevel(level)
    logging.captureWarnings(warned is not None)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_events_and_the_libraries_come_out_alike(stream):
    configure_logging(read_settings({}), "intake", stream)
    structlog.contextvars.bind_contextvars(chunk=7)

    structlog.get_logger("ours").info("chunk_sent", events=500)
    logging.getLogger("celery.worker").warning("lost %s", "a connection")

    ours, theirs = lines(stream)
    assert (ours["event"], ours["events"], ours["chunk"], ours["level"]) == ("chunk_sent", 500, 7, "info")
    assert (theirs["event"], theirs["chunk"], theirs["logger"]) == ("lost a connection", 7, "celery.worker")
    assert {line["process"] for line in (ours, theirs)} == {"intake"}
    assert all(line["timestamp"].endswith("Z") for line in (ours, theirs))


@pytest.mark.parametrize("log_format", ["json", "columns"])
def test_no_password_of_a_url_is_logged_wherever_it_stands(stream, log_format):
    configure_logging(read_settings({"PAYMENTS_LOG_FORMAT": log_format}), "intake", stream)
    url = "redis://ann:secret@127.0.0.1:6379/0"

    structlog.get_logger().info("reached", url=url, more={"urls": [url]})
    logging.getLogger("kombu").error("cannot reach %s", url)
    structlog.get_logger().error("unreachable", exc_info=ConnectionError(url))

    assert "secret" not in stream.getvalue()
    assert "ann:***@127.0.0.1" in stream.getvalue()


def test_what_is_below_the_level_is_left_out(stream):
    configure_logging(read_settings({"PAYMENTS_LOG_LEVEL": "WARNING"}), "intake", stream)

    structlog.get_logger().info("small_talk")

    assert stream.getvalue() == ""
