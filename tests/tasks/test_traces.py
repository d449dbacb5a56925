"""A trace follows a payment from the EMR's publisher to the commit, on a real Redis and a real PostgreSQL."""

import threading
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode
from sqlalchemy import text

from config.settings import SettingsError, read_settings
from config.tracing import tracer_provider
from emr.client import PaymentFeed
from emr.errors import FeedRefusedError
from payments.journeys import importing as journey
from payments.store.db.connection import transaction
from tasks import resources as resources_module
from tasks.feed import import_attempt
from tasks.feed.dispatcher import Dispatcher
from tasks.spans import SpanTracing
from tasks.tracing import Tracing
from tasks.tracing_setup import open_tracing
from tests.builders.events import run_context, saved_patient, saved_payment, stream_entries
from tests.tasks.dispatching import take_request

pytestmark = pytest.mark.slow


class LedgerReader(SpanProcessor):
    """A span processor that reads the ledger on a second connection when a payment's span ends."""

    def __init__(self, database):
        self.database, self.seen = database, []

    def on_end(self, span):
        if span.name == "import payment":
            with transaction(self.database) as tx:
                asked = text("SELECT count(*) FROM history WHERE entry_id = :entry AND line_ref IS NOT NULL")
                self.seen.append(tx.execute(asked, {"entry": span.attributes["payments.entry"]}).scalar_one())


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def traced_resources(resources, provider):
    """Resources with tracing."""
    return replace(resources, tracing=SpanTracing(provider))


@pytest.fixture
def emr(engines, stream_name, provider):
    """A publisher with tracing."""
    with PaymentFeed(engines.redis_url, stream_name, tracer=provider.get_tracer("emr")) as feed:
        yield feed


@pytest.fixture
def payer_ids(database, clinic_id):
    """Import a patient, and return the clinic and patient id as fields of a payment."""
    with transaction(database) as tx:
        journey.import_events(tx, stream_entries([saved_patient(clinic_id)]), run_context())
    return {"clinic_id": clinic_id, "patient_id": clinic_id}


def spans(exporter, name):
    return [span for span in exporter.get_finished_spans() if span.name == name]


def test_payment_is_one_trace_from_the_emr_to_the_commit(exporter, provider, emr, traced_resources, payer_ids):
    provider.add_span_processor(reader := LedgerReader(traced_resources.database))
    with provider.get_tracer("emr").start_as_current_span("save a payment"):
        emr.publish(saved_payment(payment_id="p", **payer_ids))

    import_attempt.import_new(traced_resources, "no-reply")

    (request,), (publish,), (payment,), (chunk,) = (
        spans(exporter, name) for name in ("save a payment", "publish", "import payment", "import chunk")
    )
    assert request.context.trace_id == publish.context.trace_id == payment.context.trace_id
    assert (publish.parent.span_id, payment.parent.span_id) == (request.context.span_id, publish.context.span_id)
    assert reader.seen == [1]
    assert publish.end_time <= payment.end_time
    assert payment.attributes["payments.payment"] == f"{payer_ids['clinic_id']}/p/1"
    assert [link.context.span_id for link in payment.links] == [chunk.context.span_id]
    assert [link.context.span_id for link in chunk.links] == [publish.context.span_id]
    assert chunk.attributes["payments.outcome"].startswith("imported 1, updated 0, held 0")


def test_trace_contains_identifiers_and_no_amounts_or_names(exporter, emr, traced_resources, payer_ids):
    emr.publish_many(
        [
            saved_patient(payer_ids["patient_id"], name="Ada Abbott"),
            saved_payment("71.23", memo="for the knee", **payer_ids),
        ]
    )
    import_attempt.import_new(traced_resources, "no-reply")

    exported = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert len(spans(exporter, "publish")) == len(spans(exporter, "import payment")) == 2
    assert [secret for secret in ("Ada", "71.23", "knee") if secret in exported] == []


def test_error_of_a_chunk_is_recorded_by_its_class_only(exporter, traced_resources):
    def fail():
        with traced_resources.tracing.chunk_span(None):
            raise ValueError("DETAIL: Failing row contains (Ada Abbott)")

    with pytest.raises(ValueError, match="Ada"):
        fail()

    (chunk,) = spans(exporter, "import chunk")
    assert (chunk.status.status_code, chunk.status.description) == (StatusCode.ERROR, "ValueError")
    assert "Ada" not in chunk.to_json()


def test_import_request_and_chunk_are_one_trace(exporter, provider, emr, traced_resources, dispatcher):
    emr.publish(saved_patient())
    dispatcher.tracing = SpanTracing(provider)
    dispatcher.run_cycle()

    import_attempt.import_new(traced_resources, "no-reply", trace=take_request(dispatcher)["trace"])

    (request,), (chunk,) = spans(exporter, "request import"), spans(exporter, "import chunk")
    assert chunk.parent.span_id == request.context.span_id


def test_each_chunk_of_a_time_slice_is_a_span_and_an_empty_read_is_none(exporter, emr, traced_resources, payer_ids):
    small = replace(traced_resources, settings=traced_resources.settings.model_copy(update={"chunk_events": 1}))
    emr.publish_many(saved_payment(payment_id=each, **payer_ids) for each in ("a", "b"))

    assert len(list(import_attempt.import_time_slice(small, "no-reply"))) == 2

    assert [span.attributes["messaging.batch.message_count"] for span in spans(exporter, "import chunk")] == [1, 1]


def test_payment_that_cannot_be_stored_ends_its_span_with_the_class_of_the_error(
    exporter, emr, traced_resources, payer_ids
):
    emr.publish_many(saved_payment(payment_id=each, **payer_ids) for each in ("poison", "p"))

    import_attempt.import_new(traced_resources, "no-reply")

    ended = {span.attributes["payments.payment"].split("/")[1]: span for span in spans(exporter, "import payment")}
    assert {name: span.status.status_code for name, span in ended.items()} == {
        "poison": StatusCode.ERROR,
        "p": StatusCode.UNSET,
    }
    assert "stored" not in ended["poison"].to_json()


def test_unsampled_trace_is_not_recorded(exporter, engines, stream_name, traced_resources, feed):
    unsampled = TracerProvider(sampler=ALWAYS_OFF)
    with PaymentFeed(engines.redis_url, stream_name, tracer=unsampled.get_tracer("emr")) as emr:
        emr.publish(saved_patient())
    feed.xadd(stream_name, {"event": b"{}", "traceparent": b"\xff nonsense"})
    assert all(b"traceparent" in fields for _, fields in feed.xrange(stream_name))

    assert import_attempt.import_new(traced_resources, "no-reply").evaluated == 1

    assert spans(exporter, "import payment") == []


def test_rejected_publish_ends_its_span_with_an_error(exporter, emr, feed):
    feed.delete(emr.stream)
    feed.set(emr.stream, "no stream")
    with pytest.raises(FeedRefusedError):
        emr.publish(saved_payment())

    assert [span.status.status_code for span in spans(exporter, "publish")] == [StatusCode.ERROR]


def test_without_tracing_entry_and_message_carry_no_trace(engines, feed, resources, stream_name, clinic_id):
    with (
        PaymentFeed(engines.redis_url, stream_name) as emr,
        closing(Dispatcher(resources.settings, engines)) as dispatcher,
    ):
        emr.publish(saved_payment(clinic_id=clinic_id))
        dispatcher.run_cycle()
        assert set(take_request(dispatcher)) == {"reply_to"}

    assert [set(fields) for _, fields in feed.xrange(stream_name)] == [{b"event"}]
    assert type(open_tracing(resources.settings, "importer")) is type(resources.tracing) is Tracing


class Collector(BaseHTTPRequestHandler):
    """A request handler that accepts spans, as an OpenTelemetry collector does."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_spans_reach_the_collector_when_the_process_ends(engines, unconfigured):
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        server.received = []  # type: ignore[attr-defined]
        listening = threading.Thread(target=server.serve_forever)
        listening.start()
        settings = read_settings({"PAYMENTS_TRACES_URL": f"http://127.0.0.1:{server.server_port}/"})
        resources_module.configure(settings, engines, "importer")
        with resources_module.get_resources().tracing.request_span():
            pass
        resources_module.close_tracing()
        resources_module.get_resources().database.dispose()
        server.shutdown()
        listening.join()

    (path, body), *_ = server.received  # type: ignore[attr-defined]
    request = ExportTraceServiceRequest.FromString(body)
    (exported,) = request.resource_spans
    named = {each.key: each.value.string_value for each in exported.resource.attributes}
    assert (path, named["service.name"]) == ("/v1/traces", "payments-importer")
    assert [span.name for span in exported.scope_spans[0].spans] == ["request import"]


def test_tracing_needs_a_collector_and_the_optional_packages(monkeypatch):
    assert tracer_provider(None, "importer") is None
    monkeypatch.setattr("config.settings.is_tracing_installed", lambda: False)
    with pytest.raises(SettingsError, match=r"PAYMENTS_TRACES_URL: needs the extra `traces`"):
        read_settings({"PAYMENTS_TRACES_URL": "http://collector:4318"})
