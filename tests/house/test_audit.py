"""The console audits the actions of users. Each action is shown with a verb in the past tense first."""

import ast
import re
from collections.abc import Iterator

import pytest

from payments import audit_wording
from tests.house.source import sources

RECORDED = {
    "console/exception_actions.py": re.compile(
        r"(adjusting|assigning|undoing)\.(accept\w*|acknowledge\w*|undo|assign|claim_next)"
    ),
    "console/recorded_actions.py": re.compile(
        r"configuring\.set_clinic|closing\.(schedule|cancel|finish_close|close)|requeueing\.requeue"
        r"|requeue_runs\.(start|stop|resume)_run"
    ),
}
"""The journeys that write no audit entry, by the only console module that calls them. This module writes the entry."""
UNRECORDED = {("console/cli/emr.py", "configuring.set_clinic"): "the settings of simulated clinics"}
ACTION_OF_CALL = {"AuditEntry": 2, "context.audit": 1, "actor.record": 1, "_record": 2}
"""The functions that record an action, with the position of the action among their arguments."""
KINDS = {"kind": ("session", "token"), "action": ("confirmed", "retired")}
"""The values of the variables in f-strings that name actions."""


def calls(*folders: str) -> Iterator[tuple[str, str, ast.Call]]:
    for source in sources(*folders):
        for node in source.nodes:
            if isinstance(node, ast.Call):
                yield source.path, ast.unparse(node.func), node


@pytest.mark.parametrize("module", RECORDED)
def test_console_calls_a_journey_only_where_its_audit_entry_is_written(module: str) -> None:
    found = {(path, name) for path, name, _ in calls("console") if RECORDED[module].fullmatch(name)}

    assert {path for path, _ in found - set(UNRECORDED)} == {module}


def test_every_action_is_shown_with_its_verb_in_the_past_tense_first() -> None:
    found = {action for _, name, call in calls("console", "payments") for action in _actions(name, call)}
    shown = {audit_wording.action(action) for action in found}

    assert len(shown) > 40
    assert set(audit_wording.ACTIONS) <= found
    assert [each for each in shown if not re.match(r"([A-Z][a-z]+ed|Undid|Set)\b", each)] == []


def _actions(name: str, call: ast.Call) -> Iterator[str]:
    position = ACTION_OF_CALL.get(name)
    if position is None or len(call.args) <= position:
        return
    action = call.args[position]
    if isinstance(action, ast.Constant) and isinstance(action.value, str):
        yield action.value
    if isinstance(action, ast.JoinedStr):
        names = [ast.unparse(each.value) for each in action.values if isinstance(each, ast.FormattedValue)]
        for value in KINDS.get(names[0], ("rows",)):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else value for each in action.values)
