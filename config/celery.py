"""The Celery configuration and the queues. This module imports neither Celery nor a task.

The time limits depend on each other. A task is interrupted after 60 seconds and killed after 90. Redis
redelivers the message of an unfinished task after 300 seconds, when no worker can still be running the task.
"""

from kombu.entity import Exchange, Queue

from config.engines import Engines
from config.redis_clients import kombu_sentinel_options, kombu_tls_options
from config.redis_urls import to_kombu_url
from config.schedule import beat_schedule

IMPORTS, RETRIES, FINDINGS, ADJUSTMENTS, NIGHTLY = "imports", "retries", "findings", "adjustments", "nightly"
QUEUE_NAMES = (IMPORTS, RETRIES, FINDINGS, ADJUSTMENTS, NIGHTLY)

# Prefix of every key of the broker. The list of a queue is KEY_PREFIX + its name.
KEY_PREFIX = "payments:"

SOFT_LIMIT_SECONDS, HARD_LIMIT_SECONDS = 60, 90
# A busy worker uses all of this time when it is stopped. A chunk takes well under a second.
SOFT_SHUTDOWN_SECONDS = 5
# More than the hard limit and the shutdown together. Otherwise a message is redelivered while it is still processed.
VISIBILITY_SECONDS = 300

_ROUTES = {
    # Retries have their own queue and worker, so that a large requeue does not delay new payments.
    "payments.retry_due": {"queue": RETRIES},
    "payments.retry_entries": {"queue": RETRIES},
    "payments.*": {"queue": IMPORTS},
    "billing.detect_exceptions": {"queue": FINDINGS},
    "billing.apply_at_once": {"queue": ADJUSTMENTS},
    "billing.apply_adjustments": {"queue": ADJUSTMENTS},
    "billing.run_requeues": {"queue": ADJUSTMENTS},
    "billing.close_months": {"queue": NIGHTLY},
    "billing.distribute_payments": {"queue": NIGHTLY},
    "billing.balance": {"queue": NIGHTLY},
    "billing.snapshot_queues": {"queue": NIGHTLY},
    "billing.make_room": {"queue": NIGHTLY},
    "billing.analyze_tables": {"queue": NIGHTLY},
}


def celery_settings(engines: Engines) -> dict[str, object]:
    """Return the configuration of the Celery application."""
    return {
        **_message_settings(),
        **_queue_settings(),
        **_delivery_settings(),
        **_broker_settings(engines.broker_url),
        **_worker_settings(),
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(),
        "beat_max_loop_interval": 5,
    }


def fail_fast(configuration: dict[str, object]) -> dict[str, object]:
    """Return the configuration, changed so that sending fails immediately if the broker is down.

    Commands and pages use the changed configuration.
    """
    options = configuration["broker_transport_options"]
    no_retries = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    assert isinstance(options, dict)  # noqa: S101 (_broker_settings returns a dict)
    return configuration | {"task_publish_retry": False, "broker_transport_options": options | no_retries}


def _message_settings() -> dict[str, object]:
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_protocol": 2,
        # No result backend: the results of a task are rows in the database.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
    }


def _queue_settings() -> dict[str, object]:
    # The default exchange routes a message to the queue of its routing key. It needs no bindings in Redis, so none can
    # be lost.
    direct = Exchange("", type="direct")  # type: ignore[no-untyped-call]  # kombu's entities have no type annotations
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


def _delivery_settings() -> dict[str, object]:
    return {
        "task_acks_late": True,
        # Otherwise a message that kills its worker would be redelivered without end, and the other events of its chunk
        # would exhaust their retries. The redelivery sweep finds lost entries, and soon sends each of them alone.
        "task_reject_on_worker_lost": False,
        # Otherwise a failed message would never be acknowledged, with the same effect.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_soft_time_limit": SOFT_LIMIT_SECONDS,
        "task_time_limit": HARD_LIMIT_SECONDS,
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1},
    }


def _broker_settings(url: str) -> dict[str, object]:
    return {
        "broker_url": to_kombu_url(url),
        "broker_use_ssl": kombu_tls_options(url) or False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 10,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # Longer than the one second that a worker blocks on its queues. Without it, a half-open connection hangs.
            "socket_timeout": 15,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": False,
            "global_keyprefix": KEY_PREFIX,
            **kombu_sentinel_options(url),
        },
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_SECONDS},
    }


def _worker_settings() -> dict[str, object]:
    return {
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 100,
        "worker_max_tasks_per_child": 10_000,
        # On a busy machine a child may need longer than Celery's default of four seconds to start, and so would the
        # child that replaces it. If a child never starts, the watchdog ends the worker.
        "worker_proc_alive_timeout": 60.0,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # On SIGTERM this has an effect only with REMAP_SIGTERM=SIGQUIT in the environment.
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_SECONDS,
        # If true, an idle worker also waits for the time-out (measured: 13.6 s). It helps only tasks with an ETA, and
        # there are none.
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
