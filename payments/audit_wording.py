"""Wording of the audit history: render stored actions and changes as text for users."""

import re

ACTIONS = {
    "API token created": "created API token",
    "login failed": "failed to log in",
    "own password changed": "changed own password",
    "own session ended": "ended own session",
    "own token ended": "ended own API token",
    "password change refused": "refused change of own password",
    "password set": "set password",
    "requeue resumed": "resumed requeue run",
    "requeue stopped": "stopped requeue run",
    "user added": "added user",
    "user changed": "changed user",
    "user disabled": "disabled user",
    "user enabled": "enabled user",
}
"""The label of each action whose stored code does not begin with the verb. Other codes are their own labels."""
COMPANY_SETTINGS = {
    "timezone": "time zone",
    "timezone_chosen": "time zone",
    "hold_days": "hold days",
    "dos_first": "own date of service first",
    "adjustments": "adjustments of closed months",
    "exception_days": "days for an exception",
    "refund_limit": "refunds without approval up to",
}
_VALUES = {
    "timezone_chosen": {"False": "not chosen", "True": "chosen"},
    "dos_first": {"False": "no", "True": "yes"},
    "adjustments": {"review": "reviewed by a biller", "auto": "accepted automatically"},
}
_CHANGE_PATTERN = re.compile(r"(\w+): (.*?) to (.*?)(?:, (?=\w+: )|$)", re.DOTALL)


def action(code: str) -> str:
    """Return an action as text: what the user did, in the past tense, with the verb first."""
    text = ACTIONS.get(code, code)
    return text[:1].upper() + text[1:]


def detail(code: str, text: str) -> str:
    """Return the detail of an action as text. `code` is the action, and `text` the stored detail."""
    return company_changes(text) if code == "changed company" else text


def company_changes(text: str) -> str:
    """Return the changed settings of a company with their labels. Text of another form is returned unchanged.

    If the time zone itself changed, the change of `timezone_chosen` is omitted.
    """
    found = _CHANGE_PATTERN.findall(text)
    changes = {name: (old, new) for name, old, new in found if name in COMPANY_SETTINGS}
    if not found or len(changes) < len(found):
        return text
    if "timezone" in changes:
        changes.pop("timezone_chosen", None)
    parts = (
        f"{COMPANY_SETTINGS[name]}: {_value(name, old)} to {_value(name, new)}" for name, (old, new) in changes.items()
    )
    shown = ", ".join(parts)
    return shown[:1].upper() + shown[1:]


def _value(name: str, text: str) -> str:
    return _VALUES.get(name, {}).get(text, text)
