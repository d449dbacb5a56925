"""Publish entries, read the dispatcher's messages from a real broker, and age pending entries."""

import json
from base64 import b64decode
from contextlib import closing, contextmanager

from config.celery import KEY_PREFIX, RETRIES
from config.settings import read_settings
from tasks.enqueue import clear_enqueued
from tasks.feed import stream
from tasks.feed.dispatcher import Dispatcher
from tasks.feed.leases import LEASE

LEASE_MS = LEASE.seconds * 1_000
IMPORT_REQUEST = "new entries"


@contextmanager
def open_dispatcher(engines, stream_name, **changes):
    """Open a dispatcher with chunks of four, at most ten pending entries and a short backoff schedule."""
    settings = {
        "PAYMENTS_STREAM": stream_name,
        "PAYMENTS_CHUNK_EVENTS": "4",
        "PAYMENTS_PENDING_MAX": "10",
        "PAYMENTS_IMPORTER_PROCESSES": "2",
        "PAYMENTS_RETRY_LADDER": "1s,1s,1s",
    }
    with closing(Dispatcher(read_settings(settings | changes), engines)) as dispatcher:
        yield dispatcher


def publish(dispatcher, count):
    """Add entries to the dispatcher's stream and return their ids."""
    return [dispatcher.feed.xadd(dispatcher.settings.stream, {"event": "{}"}).decode() for _ in range(count)]


def take_messages(dispatcher, *, reading=False):
    """Remove all messages from the broker and return the names of their tasks, oldest first.

    The name of an import request is IMPORT_REQUEST. If `reading`, read the new entries for each import request, as an
    importer does. Afterwards each task can be enqueued again.
    """
    messages = []
    queues = [dispatcher.queue_key, f"{KEY_PREFIX}{RETRIES}"]
    while raw := next(filter(None, map(dispatcher.broker.rpop, queues)), None):
        message = json.loads(raw)
        arguments = arguments_of(message)
        if "reply_to" in arguments:
            messages.append(IMPORT_REQUEST)
            if reading:
                read_new(dispatcher, arguments["reply_to"], arguments.get("streams", ()))
        else:
            clear_enqueued(dispatcher.broker, message["headers"]["task"])
            messages.append(message["headers"]["task"])
    return messages


def arguments_of(message):
    """Return the keyword arguments of a task message, given as the parsed JSON from the broker."""
    _, arguments, _ = json.loads(b64decode(message["body"]))
    return arguments


def take_request(dispatcher):
    """Remove the import request from the broker and return its arguments. Another request can then be sent."""
    message = json.loads(dispatcher.broker.rpop(dispatcher.queue_key))
    dispatcher.in_flight_request = None
    return arguments_of(message)


def read_new(dispatcher, reply_to="no-reply", streams=()):
    """Read a chunk of new entries, as an importer does at the start of a time slice. Return the entry ids."""
    names = streams or [dispatcher.settings.stream]
    return [entry.entry_id for entry in dispatcher.streams.read_new(names, dispatcher.settings.chunk_events, reply_to)]


def pending_and_length(resources):
    """Return how many entries are pending, and how many are on the stream."""
    name = resources.settings.stream
    return stream.pending_count(resources.feed, name), resources.feed.xlen(name)


def age_request(dispatcher, milliseconds):
    """Make the request in flight older by this number of milliseconds."""
    request = dispatcher.in_flight_request
    dispatcher.in_flight_request = request._replace(sent_ms=request.sent_ms - milliseconds)


def age_entries(dispatcher, entry_ids, deliveries, idle_ms=LEASE_MS + 1_000):
    """Set the number of deliveries and the idle time of pending entries."""
    for entry_id in entry_ids:
        options = {"idle": idle_ms, "retrycount": deliveries, "justid": True}
        dispatcher.feed.xclaim(dispatcher.settings.stream, "billing", "intake", 0, [entry_id], **options)
