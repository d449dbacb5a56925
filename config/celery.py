"""The Celery configuration as plain values, and the queues; knows neither Celery nor any task's code.

The numbers belong together: a task is stopped at 60 seconds and killed at 90, and Redis gives a message to another
worker after 300, when the first can no longer be at it.
"""

import ssl

from kombu.entity import Exchange, Queue

from config.engines import Engines
from config.schedule import beat_schedule
from config.settings import Settings
from config.urls import broker_form

IMPORTS, FINDINGS, ADJUSTMENTS, NIGHTLY = "imports", "findings", "adjustments", "nightly"
QUEUE_NAMES = (IMPORTS, FINDINGS, ADJUSTMENTS, NIGHTLY)

# Before every key of the broker; the list of a queue is KEY_PREFIX + its name.
KEY_PREFIX = "payments:"

SOFT_LIMIT_SECONDS, HARD_LIMIT_SECONDS = 60, 90
# A worker that is at something waits the whole of this when it is told to stop; a chunk takes well under a second.
SOFT_SHUTDOWN_SECONDS = 5
# More than the hard limit and the shutdown together, or a message comes back while it is still worked on.
VISIBILITY_SECONDS = 300

_ROUTES = {
    "payments.*": {"queue": IMPORTS},
    "billing.detect_exceptions": {"queue": FINDINGS},
    "billing.apply_at_once": {"queue": ADJUSTMENTS},
    "billing.apply_adjustments": {"queue": ADJUSTMENTS},
    "billing.close_months": {"queue": NIGHTLY},
    "billing.distribute_payments": {"queue": NIGHTLY},
    "billing.balance": {"queue": NIGHTLY},
    "billing.make_room": {"queue": NIGHTLY},
}


def celery_settings(engines: Engines, settings: Settings) -> dict[str, object]:
    """Return the whole configuration of the Celery application."""
    return {
        **_messages(),
        **_queues(),
        **_delivery(),
        **_broker(engines.broker_url),
        **_workers(),
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(),
        # When each entry was last sent; beat would write it to the folder that it was started in.
        "beat_schedule_filename": str(settings.home / "run" / "beat"),
        "beat_max_loop_interval": 5,
        "beat_scheduler": "workers.runtime.clock_steps:SteadyScheduler",
    }


def impatient(configuration: dict[str, object]) -> dict[str, object]:
    """Return a configuration for a sender whom a person waits for: a broker that does not answer is not asked again."""
    options = configuration["broker_transport_options"]
    at_once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    assert isinstance(options, dict)  # noqa: S101 (so it is built above)
    return configuration | {"task_publish_retry": False, "broker_transport_options": options | at_once}


def _messages() -> dict[str, object]:
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_protocol": 2,
        # No result backend: the outcome of a task is a row in the ledger's database.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
    }


def _queues() -> dict[str, object]:
    # By way of the default exchange a message is addressed to its queue by name: no binding has to be stored in Redis,
    # so none can be lost.
    direct = Exchange("", type="direct")  # type: ignore[no-untyped-call]  # kombu's entities carry no types
    return {
        "task_queues": tuple(
            Queue(name, direct, routing_key=name)  # type: ignore[no-untyped-call]  # as above
            for name in QUEUE_NAMES
        ),
        "task_default_queue": IMPORTS,
        "task_default_exchange": "",
        "task_default_routing_key": IMPORTS,
        "task_create_missing_queues": False,
        "task_routes": _ROUTES,
    }


def _delivery() -> dict[str, object]:
    return {
        "task_acks_late": True,
        # A message that kills its worker would come back for ever, and the other events of its chunk would use up their
        # tries with it. What was lost with a worker is found by the sweep, which then sends each event alone.
        "task_reject_on_worker_lost": False,
        # As above for a message that is never acknowledged.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_soft_time_limit": SOFT_LIMIT_SECONDS,
        "task_time_limit": HARD_LIMIT_SECONDS,
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1},
    }


def _broker(url: str) -> dict[str, object]:
    # kombu speaks plain text to a rediss:// URL unless it is told how to check the certificate.
    encrypted = url.startswith("rediss://") and "ssl_cert_reqs" not in url
    return {
        "broker_url": broker_form(url),
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED} if encrypted else False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 10,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # Longer than the one second for which a worker waits on its queues; without it a half-open link hangs.
            "socket_timeout": 15,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": False,
            "global_keyprefix": KEY_PREFIX,
        },
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_SECONDS},
    }


def _workers() -> dict[str, object]:
    return {
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 100,
        "worker_max_tasks_per_child": 10_000,
        # A machine that is busy may need longer than Celery's four seconds to get a child going; killed for that, its
        # successor would be in the same hurry. A worker whose child never gets going hears of nothing, and notices.
        "worker_proc_alive_timeout": 60.0,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # Takes effect on SIGTERM only with REMAP_SIGTERM=SIGQUIT in the environment.
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_SECONDS,
        # With it even an idle worker would take the whole time to stop (measured: 13.6 s); its use is for tasks with an
        # ETA, and there are none here.
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
