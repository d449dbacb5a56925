"""The log has one format for all messages. It contains no passwords and no error messages."""

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
    """Configure logging to a text stream, and return the stream."""
    return io.StringIO()


def log_records(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_and_library_messages_have_the_same_format(stream):
    configure_logging(read_settings({}), "intake", stream)
    structlog.contextvars.bind_contextvars(chunk=7)

    structlog.get_logger("ours").info("chunk_sent", events=500)
    logging.getLogger("celery.worker").warning("lost %s", "a connection")

    ours, theirs = log_records(stream)
    assert (ours["event"], ours["events"], ours["chunk"], ours["level"]) == ("chunk_sent", 500, 7, "info")
    assert (theirs["event"], theirs["chunk"], theirs["logger"]) == ("lost a connection", 7, "celery.worker")
    assert {line["process"] for line in (ours, theirs)} == {"intake"}
    assert all(line["timestamp"].endswith("Z") for line in (ours, theirs))


@pytest.mark.parametrize("log_format", ["json", "columns"])
def test_password_of_a_url_is_never_logged(stream, log_format):
    configure_logging(read_settings({"PAYMENTS_LOG_FORMAT": log_format}), "intake", stream)
    url = "redis://ann:secret@127.0.0.1:6379/0"

    structlog.get_logger().info("reached", url=url, more={"urls": [url]})
    logging.getLogger("kombu").error("cannot reach %s", url)
    structlog.get_logger().error("unreachable", exc_info=ConnectionError(url))

    assert "secret" not in stream.getvalue()
    assert "ann:***@127.0.0.1" in stream.getvalue()


@pytest.mark.parametrize("password", ["secret", "p@secret", "p:secret"])
def test_whole_password_is_redacted(stream, password):
    configure_logging(read_settings({}), "intake", stream)

    structlog.get_logger().info("reached", url=f"redis://ann:{password}@127.0.0.1:6379/0")

    assert log_records(stream)[0]["url"] == "redis://ann:***@127.0.0.1:6379/0"


class RefusedRowError(Exception):
    """An error whose message, like that of a database error, contains values of the row."""

    def __str__(self):
        return "the row breaks a rule\nDETAIL: Failing row contains (Ada Abbott)\n[parameters: Ada Abbott]"


def raise_refused_row(memo="Ada Abbott"):
    raise ValueError("not stored") from RefusedRowError()


@pytest.mark.parametrize("log_format", ["json", "columns"])
def test_error_is_logged_with_class_and_location_and_without_values(stream, log_format):
    configure_logging(read_settings({"PAYMENTS_LOG_FORMAT": log_format}), "intake", stream)

    try:
        raise_refused_row()
    except ValueError:
        structlog.get_logger().exception("task_failed")
        logging.getLogger("uvicorn.error").exception("request failed")

    output = stream.getvalue()
    assert output.count("ValueError") == output.count("not stored") == output.count("the row breaks a rule") == 2
    assert output.count("test_logging.py:") == 4
    assert "Ada" not in output
    assert "DETAIL" not in output


def test_uncaught_error_is_logged_as_process_crashed_without_values(stream):
    configure_logging(read_settings({}), "intake", stream)

    try:
        raise_refused_row()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    (line,) = log_records(stream)
    assert (line["event"], line["level"], line["process"]) == ("process_crashed", "critical", "intake")
    assert [each["error"].rpartition(".")[2] for each in line["exception"]] == ["ValueError", "RefusedRowError"]
    assert "Ada" not in stream.getvalue()


def test_command_logs_an_error_without_values(stream):
    log_warnings_only(stream)

    try:
        raise_refused_row()
    except ValueError:
        structlog.get_logger().info("small_talk")
        structlog.get_logger().exception("task_failed")

    assert "not stored" in stream.getvalue()
    assert "Ada" not in stream.getvalue()
    assert "small_talk" not in stream.getvalue()


def test_event_below_the_level_is_not_logged(stream):
    configure_logging(read_settings({"PAYMENTS_LOG_LEVEL": "WARNING"}), "intake", stream)

    structlog.get_logger().info("small_talk")

    assert stream.getvalue() == ""
