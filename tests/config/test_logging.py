import io
import json
import logging
import sys

import pytest
import structlog

from config.logging import configure_logging, log_warnings_only
from config.settings import read_settings


@pytest.fixture
def stream():
    """A place to log to."""
    return io.StringIO()


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


@pytest.mark.parametrize("password", ["secret", "p@secret", "p:secret"])
def test_a_password_goes_to_its_last_character(stream, password):
    configure_logging(read_settings({}), "intake", stream)

    structlog.get_logger().info("reached", url=f"redis://ann:{password}@127.0.0.1:6379/0")

    assert lines(stream)[0]["url"] == "redis://ann:***@127.0.0.1:6379/0"


class RefusedRowError(Exception):
    """An error as a database words it."""

    def __str__(self):
        return "the row breaks a rule\nDETAIL: Failing row contains (Ada Abbott)\n[parameters: Ada Abbott]"


def fail(memo="Ada Abbott"):
    raise ValueError("not stored") from RefusedRowError()


@pytest.mark.parametrize("log_format", ["json", "columns"])
def test_of_an_error_the_log_tells_the_kind_and_the_place_and_no_value(stream, log_format):
    configure_logging(read_settings({"PAYMENTS_LOG_FORMAT": log_format}), "intake", stream)

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("task_failed")
        logging.getLogger("uvicorn.error").exception("request failed")

    told = stream.getvalue()
    assert told.count("ValueError") == told.count("not stored") == told.count("the row breaks a rule") == 2
    assert told.count("test_logging.py:") == 4
    assert "Ada" not in told
    assert "DETAIL" not in told


def test_an_error_that_ends_a_process_is_told_like_every_other(stream):
    configure_logging(read_settings({}), "intake", stream)

    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["process"]) == ("process_crashed", "critical", "intake")
    assert [each["error"].rpartition(".")[2] for each in line["exception"]] == ["ValueError", "RefusedRowError"]
    assert "Ada" not in stream.getvalue()


def test_a_command_tells_of_an_error_no_more_than_a_process_does(stream):
    log_warnings_only(stream)

    try:
        fail()
    except ValueError:
        structlog.get_logger().info("small_talk")
        structlog.get_logger().exception("task_failed")

    assert "not stored" in stream.getvalue()
    assert "Ada" not in stream.getvalue()
    assert "small_talk" not in stream.getvalue()


def test_what_is_below_the_level_is_left_out(stream):
    configure_logging(read_settings({"PAYMENTS_LOG_LEVEL": "WARNING"}), "intake", stream)

    structlog.get_logger().info("small_talk")

    assert stream.getvalue() == ""
