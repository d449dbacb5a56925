"""Find payments by id, key, check number, amount or patient. The results are keys of lines, and ids of dead letters.

`found_rows.py` reads these payments. Conditions that are not leakproof are in functions of the database. Otherwise
row-level security would prevent the console from using an index for them (docs/decisions/0033).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from payments.contract.keys import KeyReading, LineKey
from payments.contract.money import Money
from payments.core.scope import Scope
from payments.core.search_match import MatchKind
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.feed_columns import DEAD_LETTER_TIME
from payments.store.ledger.patients import PATIENT_KEY_COLUMNS, PatientKey, patient_rows
from payments.store.reports.found_patients import clinic_ids, companies_in
from payments.store.tables import patients

FOUND_MAX = 60
"""The largest number of payments that each function here returns. Queries also apply it to each clinic or company."""
NEWEST_MAX = 10_000
"""The number of newest payments, and of newest dead letters, that are searched if there is no index for a search."""
_KEY_COLUMNS = list(LineKey._fields)
_LINE_KEY_LIST = ", ".join(f"line.{name}" for name in _KEY_COLUMNS)
_READING_PARTS = ("company", "clinic", "payment", "line")
_WANTED_KEYS = (
    "unnest(CAST(:of_company AS text[]), CAST(:of_clinic AS text[]), CAST(:of_payment AS text[]), "
    "CAST(:of_line AS text[])) AS wanted(company_id, clinic_id, payment_id, line_id)"
)
"""A FROM item with the keys to find. An empty id matches every id. `_reading_arrays` returns its parameters."""

_BY_READINGS_QUERY = f"""
SELECT {{key}} FROM {_WANTED_KEYS}
    JOIN clinics ON wanted.clinic_id IN ('', clinics.clinic_id) AND wanted.company_id IN ('', clinics.company_id),
    LATERAL (SELECT company_id, clinic_id, payment_id, line_id, id FROM lines
        WHERE lines.company_id = clinics.company_id AND lines.clinic_id = clinics.clinic_id
            AND lines.payment_id = wanted.payment_id AND wanted.line_id IN ('', lines.line_id) LIMIT :most) AS line
WHERE true{{scope}} ORDER BY line.id DESC LIMIT :most
"""
_BY_ID_BEGINNING_QUERY = """
SELECT {key} FROM clinics, LATERAL (SELECT company_id, clinic_id, payment_id, line_id, id FROM lines
    WHERE lines.company_id = clinics.company_id AND lines.clinic_id = clinics.clinic_id
        AND payment_id >= :first AND payment_id < :end AND starts_with(payment_id, :first) LIMIT :most) AS line
WHERE true{scope} ORDER BY line.id DESC LIMIT :most
"""
_BY_ID_PART_QUERY = """
WITH seen AS MATERIALIZED (SELECT company_id, clinic_id FROM clinics WHERE true{scope})
SELECT {key} FROM seen, LATERAL (SELECT company_id, clinic_id, payment_id, line_id, id FROM lines
    WHERE lines.clinic_id = seen.clinic_id AND lines.company_id = seen.company_id
    ORDER BY saved_at DESC, id DESC LIMIT (SELECT greatest(:newest / count(*), 200) FROM seen)) AS line
WHERE strpos(lower(line.payment_id), lower(:part)) > 0 ORDER BY line.id DESC LIMIT :most
"""
_IN_COMPANIES_QUERY = """
SELECT {key} FROM unnest({companies}) AS own(company_id), LATERAL (
    SELECT company_id, clinic_id, payment_id, line_id, id FROM lines
    WHERE lines.company_id = own.company_id AND {condition}{scope} ORDER BY id DESC LIMIT :most) AS line
ORDER BY line.id DESC LIMIT :most
"""
_BY_AMOUNT_QUERY = """
SELECT {key} FROM lines_of_amount({companies}, CAST(:clinic_ids AS text[]), :amount, :most) AS found
    JOIN lines AS line ON line.company_id = found.company AND line.id = found.line_id
WHERE true{scope} ORDER BY line.id DESC LIMIT :most
"""
_BY_PATIENTS_QUERY = """
SELECT {key} FROM (SELECT * FROM {wanted}) AS wanted, LATERAL (
    SELECT company_id, clinic_id, payment_id, line_id, id FROM lines
    WHERE lines.company_id = wanted.company_id AND lines.patient_id = wanted.patient_id{scope}
    ORDER BY saved_at DESC, id DESC LIMIT :most) AS line
"""


def find_by_keys(tx: Transaction, scope: Scope, readings: Iterable[KeyReading]) -> list[LineKey]:
    """Return the lines whose key matches one of these readings. An empty clinic id or line id matches every id."""
    statement = _BY_READINGS_QUERY.format(key=_LINE_KEY_LIST, scope=in_scope(scope, "clinics"))
    return _read_keys(tx, statement, scope, **_reading_arrays(readings))


def find_by_id_beginning(tx: Transaction, scope: Scope, beginning: str) -> list[LineKey]:
    """Return the lines whose payment id begins with this text."""
    statement = _BY_ID_BEGINNING_QUERY.format(key=_LINE_KEY_LIST, scope=in_scope(scope, "clinics"))
    return _read_keys(tx, statement, scope, first=beginning, end=_text_after_beginning(beginning))


def find_by_id_part(tx: Transaction, scope: Scope, part: str) -> list[LineKey]:
    """Return the newest lines whose payment id contains this text, in upper or lower case.

    The newest NEWEST_MAX lines are searched. Clinics get equal shares of them, but at least 200 lines each.
    """
    statement = _BY_ID_PART_QUERY.format(key=_LINE_KEY_LIST, scope=in_scope(scope, "clinics"))
    return _read_keys(tx, statement, scope, part=part, newest=NEWEST_MAX)


def find_by_references(tx: Transaction, scope: Scope, references: Sequence[str]) -> list[LineKey]:
    """Return the lines with one of these references."""
    return _find_in_companies(tx, scope, "reference = ANY(:references)", references=list(references))


def find_by_reference_beginning(tx: Transaction, scope: Scope, beginning: str) -> list[LineKey]:
    """Return the lines whose reference begins with this text."""
    condition = "reference >= :first AND reference < :end AND starts_with(reference, :first)"
    return _find_in_companies(tx, scope, condition, first=beginning, end=_text_after_beginning(beginning))


def find_by_amount(tx: Transaction, scope: Scope, amount: Money) -> list[LineKey]:
    """Return the newest lines with this amount paid, in dollars."""
    statement = _BY_AMOUNT_QUERY.format(
        key=_LINE_KEY_LIST, companies=companies_in(scope), scope=in_scope(scope, "line")
    )
    return _read_keys(tx, statement, scope, amount=amount, clinic_ids=clinic_ids(scope))


def find_by_patients(tx: Transaction, scope: Scope, keys: Sequence[PatientKey], limit: int) -> list[LineKey]:
    """Return the newest lines of these patients, up to `limit` of each patient."""
    wanted = unnest_item(patients, PATIENT_KEY_COLUMNS)
    statement = _BY_PATIENTS_QUERY.format(key=_LINE_KEY_LIST, wanted=wanted, scope=in_scope(scope, "lines"))
    return _read_keys(tx, statement, scope, most=limit, **column_arrays(patient_rows(keys), PATIENT_KEY_COLUMNS))


def _find_in_companies(tx: Transaction, scope: Scope, condition: str, **given: Any) -> list[LineKey]:
    statement = _IN_COMPANIES_QUERY.format(
        key=_LINE_KEY_LIST, companies=companies_in(scope), condition=condition, scope=in_scope(scope, "lines")
    )
    return _read_keys(tx, statement, scope, **given)


def _reading_arrays(readings: Iterable[KeyReading]) -> dict[str, list[str]]:
    given = [(reading.company_id or "", *reading.key) for reading in readings if reading.key.payment_id]
    columns = zip(*given, strict=True) if given else ((), (), (), ())
    return {f"of_{name}": list(values) for name, values in zip(_READING_PARTS, columns, strict=True)}


def _read_keys(tx: Transaction, statement: str, scope: Scope, **given: Any) -> list[LineKey]:
    found = tx.execute(text(statement), {"most": FOUND_MAX} | given | scope_parameters(scope))
    return [LineKey._make(row) for row in found]


def _text_after_beginning(beginning: str) -> str:
    """Return an upper limit for an index scan: a text that sorts after all texts that begin with `beginning`.

    The last digit or letter is replaced by its successor: "p-13" for "p-12". Other characters are not replaced, because
    their order depends on the collation. The range up to the result can also contain texts that begin otherwise, so the
    query must check the beginning of each text.
    """
    for at in reversed(range(len(beginning))):
        character = beginning[at]
        if character.isascii() and character.isalnum() and character not in "9zZ":
            return beginning[:at] + chr(ord(character) + 1)
    return "\U0010ffff"


_DEAD_LETTERS_QUERY = f"""
WITH wanted AS (
    SELECT * FROM {_WANTED_KEYS}
), newest AS (
    SELECT * FROM set_aside WHERE closed_at IS NULL{{scope}}
    ORDER BY {DEAD_LETTER_TIME} DESC, id DESC LIMIT {NEWEST_MAX}
), matching AS (
    SELECT id, CASE WHEN EXISTS (SELECT FROM wanted WHERE wanted.payment_id = newest.payment_id
                AND wanted.company_id IN ('', newest.company_id) AND wanted.clinic_id IN ('', newest.clinic_id)
                AND wanted.line_id IN ('', newest.line_id)) THEN '{MatchKind.ID}'
            WHEN amount_paid = :amount THEN '{MatchKind.AMOUNT}'
            WHEN starts_with(lower(payment_id), lower(:part)) THEN '{MatchKind.ID_BEGINNING}'
            WHEN strpos(lower(payment_id), lower(:part)) > 0 THEN '{MatchKind.PART}'
            WHEN (company_id, patient_id) IN (SELECT * FROM {{patients}}) THEN '{MatchKind.PATIENT}' END AS match,
        {DEAD_LETTER_TIME} AS at
    FROM newest
)
SELECT match, id FROM matching WHERE match IS NOT NULL ORDER BY at DESC, id DESC LIMIT :most
"""


class DeadLetterQuery(NamedTuple):
    """The criteria of a search for dead letters: readings of a key, a part of a payment id, an amount, or patients.

    The amount is in dollars.
    """

    readings: Sequence[KeyReading]
    part: str | None
    amount: Money | None
    patients: Sequence[PatientKey]


def find_dead_letters(tx: Transaction, scope: Scope, query: DeadLetterQuery) -> list[tuple[MatchKind, int]]:
    """Return the kind of match and the id of up to FOUND_MAX matching dead letters of a scope, newest first.

    The newest NEWEST_MAX open dead letters are searched.
    """
    statement = _DEAD_LETTERS_QUERY.format(
        scope=in_scope(scope, "set_aside"), patients=unnest_item(patients, PATIENT_KEY_COLUMNS)
    )
    of_patients = column_arrays(patient_rows(query.patients), PATIENT_KEY_COLUMNS)
    given: dict[str, Any] = {"part": query.part, "amount": query.amount, "most": FOUND_MAX}
    given |= _reading_arrays(query.readings) | of_patients | scope_parameters(scope)
    return [(MatchKind(row.match), row.id) for row in tx.execute(text(statement), given)]
