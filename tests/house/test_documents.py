"""The documents agree with the code on reasons, statuses, settings, schedule and alarms. Their links work."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from config.schedule import RECURRING, RecurringTask
from config.settings import VARIABLES, Settings
from payments import wording
from payments.contract.event import ChargeSaved, ChargeType, Method, PatientSaved, PaymentDeleted, PaymentSaved
from payments.core.outcome import Reason, Status
from tests.house.source import PRODUCT_FOLDERS, ROOT, sources

DECISION_HEADINGS = ("Status", "Context", "Decision", "Consequences", "Alternatives")
PICTURE_BYTES_MAX = 60_000
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _read_document(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented_with_its_code_and_sentence(reason: Reason) -> None:
    explained = _read_document("docs/reference/not-sent-reasons.md")

    assert f"## `{reason}`" in explained
    assert wording.reason(reason) in explained


def test_every_status_is_in_the_state_diagram() -> None:
    assert [status for status in Status if status not in _read_document("ARCHITECTURE.md")] == []


@pytest.mark.parametrize("event", [PaymentSaved, PaymentDeleted, PatientSaved, ChargeSaved])
def test_event_reference_names_every_field_and_value(event: type[BaseModel]) -> None:
    reference = _read_document("docs/reference/events.md")
    names = [info.alias or name for name, info in event.model_fields.items()]

    assert [name for name in (*names, *ChargeType, *Method) if f"`{name}`" not in reference] == []


def test_every_business_rule_named_in_code_has_a_section() -> None:
    sections = set(re.findall(r"^## (D\d) ", _read_document("docs/rules.md"), re.MULTILINE))
    named = {
        name for source in sources(*PRODUCT_FOLDERS, "tests") for name in re.findall(r"\brules? (D\d)\b", source.text)
    }

    assert sections == {f"D{number}" for number in range(1, 10)}
    assert named <= sections


@pytest.mark.parametrize("recurring", RECURRING, ids=lambda recurring: recurring.task)
def test_every_recurring_task_is_in_the_reference(recurring: RecurringTask) -> None:
    assert f"`{recurring.task}`" in _read_document("docs/reference/schedule.md")


def test_alarms_and_runbook_sections_match() -> None:
    rules = yaml.safe_load(_read_document("docs/ops/alerts.yml"))["groups"][0]["rules"]
    sections = (
        _read_document("docs/how-to/runbook.md").partition("## Alarms\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    )

    assert [section.partition("\n")[0] for section in sections] == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/how-to/runbook.md#{rule['alert'].lower()}"
    for section in sections:
        assert re.findall(r"^- \*\*(Means|Look at|Do)\b", section, re.MULTILINE) == ["Means", "Look at", "Do"], section


def test_every_process_is_in_the_runbook() -> None:
    services = yaml.safe_load(_read_document("docker-compose.yml"))["services"].values()
    commands = [service["command"][0] for service in services if "build" in service]

    assert [command for command in commands if f"{command}`" not in _read_document("docs/how-to/runbook.md")] == []


def test_every_setting_is_in_the_reference_and_has_a_description() -> None:
    reference = _read_document("docs/reference/settings.md")

    assert [name for name in VARIABLES if f"`{name}`" not in reference] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("decision", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: path.stem)
def test_decision_has_the_five_headings(decision: Path) -> None:
    headings = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)

    assert tuple(headings) == DECISION_HEADINGS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_existing_files(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_link_anchors_lead_to_existing_headings(document: Path) -> None:
    def anchors(page: Path) -> set[str]:
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    linked = re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", document.read_text())

    assert [
        anchor for page, anchor in linked if anchor not in anchors(document.parent / page if page else document)
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_names_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    path = r"`((?:bench|config|console|devstack|docgen|docs|emr|payments|tasks|tests|workers)/[\w./*-]+)`"
    held = re.findall(rf"`(\w+)`\s+in\s+{path}", text)

    assert [named for named in re.findall(path, text) if not any(ROOT.glob(named.rstrip("/")))] == []
    assert [(name, file) for name, file in held if name not in _read_document(file)] == []


def test_every_image_exists_has_alt_text_and_is_used() -> None:
    shown = {
        (page.parent / path).resolve(): words
        for page in DOCUMENTS
        for words, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text())
    }
    kept = {path for folder in ("charts", "screenshots") for path in (ROOT / "docs" / folder).iterdir()}

    assert set(shown) == kept
    assert [path for path, words in shown.items() if not words.strip()] == []
    assert {path.name for path in kept if path.stat().st_size > PICTURE_BYTES_MAX} == set()


def test_decisions_are_numbered_consecutively() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]

    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_files_of_the_first_change_tutorial_exist() -> None:
    worked = _read_document("CONTRIBUTING.md").partition("## A first change")[2].partition("## Other changes")[0]
    files = re.findall(r"^\| `([^`]+)` \|", worked, re.MULTILINE)

    assert worked.count("| file | what |") == 3
    assert len(files) > 12
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_make_targets_in_documents_exist_and_have_help() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", _read_document("Makefile"), re.MULTILINE))
    named = {
        name for page in DOCUMENTS for name in re.findall(r"(?:^|`)make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
    }

    assert {"demo", "test", "up", "help", "bench"} <= named
    assert named <= targets
