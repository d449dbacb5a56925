"""The reference page of the reasons for Not Sent and Validation Failed, from `payments.help_texts.reasons`."""

from docgen.markdown import code, heading, table
from payments.core.outcome import Reason
from payments.help_texts.reasons import REASONS

_INTRODUCTION = """
The Claims Feed shows one of these reasons beside **Not Sent** or **Validation Failed**. The pages explain each of them
with the same words, beside the reason and on the page *Help*.

```
payments report claims-feed --status not-sent
payments report claims-feed --status validation-failed
```

`payments timeline KEY` shows what led to it. `payments requeue` evaluates a payment again with the current settings:

```
payments requeue north/p-1001/1
payments requeue --status not-sent --reason type_not_selected --clinic north
```

Requeueing twice, or while Redis is down, is safe. An event without a readable key is listed as `refused:NUMBER`; use
that as its key.

"""
_NOTE_BY_REASON = {
    Reason.TYPE_NOT_SELECTED: "`payments settings set CLINIC --company COMPANY --types ...` selects charge types.",
    Reason.INTEGRATION_OFF: (
        "`payments settings set CLINIC --company COMPANY --integration on --types ...` switches it on, and `payments "
        "requeue --status not-sent --reason integration_off --clinic CLINIC` requeues."
    ),
    Reason.RETRIES_EXHAUSTED: (
        "The [runbook](../how-to/runbook.md) lists the causes. Then run `payments requeue --status not-sent --reason "
        "retries_exhausted`."
    ),
    Reason.PATIENT_NOT_FOUND: (
        "`PAYMENTS_PATIENT_WAIT_MAX` (24 hours) is how long a payment waits. The EMR sends a patient with "
        "`patient.saved`."
    ),
    Reason.INVALID_EVENT: (
        "Billing keeps the event unchanged, and a stream entry without exactly one field `event` with all of its "
        "fields. Of an oversized event it keeps the first 4,096 bytes and the SHA-256. The feed's `detail` and the "
        "timeline name the first wrong field and what was expected; the page *Refused event* shows the event as it "
        "came. An event with a missing or wrong signature belongs to no company or clinic. Only users who may see "
        "all companies see it."
    ),
    Reason.VERSION_CONFLICT: "`payments exceptions acknowledge ID --reason TEXT` acknowledges the exception.",
    Reason.UNKNOWN_COMPANY: (
        "Events of unknown companies are refused if `PAYMENTS_UNKNOWN_COMPANIES` is `refuse`; with `create`, the "
        "default, such an event adds the company. Add it with `payments settings set CLINIC --company COMPANY ...`, "
        "then run `payments requeue --status not-sent --reason unknown_company`. A retired one is confirmed with "
        "`payments company confirm`. If it has moved, publish the event at the new installation: `payments company "
        "late-events COMPANY` prints it ([move a company](../how-to/move-a-company.md)). If it was being imported, "
        "requeue afterwards."
    ),
    Reason.UNKNOWN_CLINIC: (
        "Add it with `payments settings set CLINIC --company COMPANY ...`, or confirm a retired one with `payments "
        "settings confirm`, then requeue with `--reason unknown_clinic`."
    ),
}


def render_page() -> str:
    """Return the page: a table of the reasons, and a section for each."""
    rows = [(code(reason), reason.status, REASONS[reason].who or "no one") for reason in Reason]
    overview = table(("code", "status", "who acts"), rows)
    sections = "".join(map(_section, Reason))
    title = heading("Not Sent and Validation Failed: the reasons", "payments/help_texts/reasons.py")
    return f"{title}{_INTRODUCTION}{overview}{sections}"


def _section(reason: Reason) -> str:
    text = REASONS[reason]
    parts = [
        f"> {text.sentence}",
        f"**When.** {text.meaning}",
        f"**What to do.** {text.action}",
        f"**Who.** {text.who}",
    ]
    if note := _NOTE_BY_REASON.get(reason):
        parts.append(f"**For operators and integrators.** {note}")
    return f"\n## `{reason}`\n" + "\n\n".join(parts) + "\n"
