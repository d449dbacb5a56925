"""Both ends of an intake: what is put on its stream, and what it puts on the importer's queue, in a real Redis."""

import json
from base64 import b64decode
from contextlib import closing, contextmanager

from config.settings import read_settings
from tasks.feed import stream
from workers.intake import LEASE, Intake

LEASE_MS = LEASE.seconds * 1_000


@contextmanager
def opened(engines, stream_name, **changes):
    settings = {
        "PAYMENTS_STREAM": stream_name,
        "PAYMENTS_CHUNK_EVENTS": "4",
        "PAYMENTS_PENDING_MAX": "10",
        "PAYMENTS_IMPORTER_PROCESSES": "2",
        "PAYMENTS_RETRY_LADDER": "1s,1s,1s",
    }
    with closing(Intake(read_settings(settings | changes), engines)) as intake:
        yield intake


def publish(intake, count):
    return [intake.feed.xadd(intake.settings.stream, {"event": "{}"}).decode() for _ in range(count)]


def sent(intake, *, taking=False):
    """Take all messages out of the broker, oldest first: (task, entry ids), or that what is new shall be imported."""
    messages = []
    while raw := intake.broker.rpop(intake.queue):
        message = json.loads(raw)
        arguments = arguments_of(message)
        if "reply_to" in arguments:
            messages.append("what is new")
            if taking:
                take_new(intake, arguments["reply_to"], arguments.get("streams", ()))
        else:
            messages.append((message["headers"]["task"], arguments["entry_ids"]))
    return messages


def arguments_of(message):
    """Return the named arguments with which a message of the broker, read from its JSON, calls its task."""
    _, arguments, _ = json.loads(b64decode(message["body"]))
    return arguments


def requested(intake):
    """Take the one request out of the broker, and return its arguments; the intake may make another one."""
    message = json.loads(intake.broker.rpop(intake.queue))
    arguments = arguments_of(message)
    intake.asked = None
    return arguments


def take_new(intake, reply_to="nobody", streams=()):
    """Take what is new, as an importer does at the moment at which it begins."""
    taken = intake.streams.take_new(streams or [intake.settings.stream], intake.settings.chunk_events, reply_to)
    return [entry.entry_id for entry in taken]


def left(here):
    """Return how many entries are pending, and how many on the stream."""
    return stream.outstanding(here.feed, here.settings.stream), stream.feed_length(here.feed, here.settings.stream)


def age_request(intake, seconds):
    """Let the last request lie unanswered for so long."""
    intake.asked = intake.asked._replace(at=intake.asked.at - seconds)


def age(intake, entry_ids, deliveries, idle_ms=LEASE_MS + 1_000):
    """Let entries be handed out so often and lie untouched for so long."""
    for entry_id in entry_ids:
        options = {"idle": idle_ms, "retrycount": deliveries, "justid": True}
        intake.feed.xclaim(intake.settings.stream, "billing", "intake", 0, [entry_id], **options)
