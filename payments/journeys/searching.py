"""Search the patients and payments that a user may see, by name, id, key, check number or amount."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from payments.contract.keys import KeyReading, LineKey, LocalKey
from payments.core.scope import Scope
from payments.core.search_match import MatchKind, match_patient, part_terms, similar_terms
from payments.core.search_query import SearchQuery, parse_search
from payments.store.db.connection import Transaction
from payments.store.ledger.patients import PatientKey
from payments.store.reports import found_patients, found_payments, found_rows
from payments.store.reports.found_patients import FoundPatient, PatientCandidate
from payments.store.reports.found_payments import DeadLetterQuery
from payments.store.reports.found_rows import FoundPayment

__all__ = ["MatchKind", "PatientHit", "PaymentHit", "SearchResult"]

PATIENTS_MAX, PAYMENTS_MAX = 20, 50
"""The largest numbers of patients and of payments that are returned."""
_PATIENTS_WITH_PAYMENTS, _PAYMENTS_OF_PATIENT = 5, 10
"""The number of best-matching patients whose newest payments are also hits, and the number of payments per patient."""
_CANDIDATES_MAX, _SIMILAR_MAX = 1_000, 300
"""The largest numbers of patients that are compared: first with the text as it is, then with it as a mistyped name."""
_BEGINNING_CHARACTERS_MIN = 3


class PatientHit(NamedTuple):
    """A patient found by a search, and how the patient matches."""

    match: MatchKind
    patient: FoundPatient


class PaymentHit(NamedTuple):
    """A payment found by a search, and how it matches."""

    match: MatchKind
    payment: FoundPayment


class SearchResult(NamedTuple):
    """The hits of a search, best first. `has_more` tells whether there are more hits."""

    patients: Sequence[PatientHit] = ()
    payments: Sequence[PaymentHit] = ()
    has_more: bool = False


def search(tx: Transaction, wanted: str, scope: Scope) -> SearchResult:
    """Return the patients and payments of a scope that match a text. For an empty text, the result is empty."""
    query = parse_search(wanted)
    if query.is_empty:
        return SearchResult()
    patients = _find_patients(tx, scope, query)
    known = found_patients.read(tx, scope, [key for key, _ in patients[:PATIENTS_MAX]])
    hits = [PatientHit(match, known[key]) for key, match in patients[:PATIENTS_MAX] if key in known]
    payments = _find_payments(tx, scope, query, [key for key, _ in patients[:_PATIENTS_WITH_PAYMENTS]])
    has_more = len(patients) > PATIENTS_MAX or len(payments) > PAYMENTS_MAX
    return SearchResult(hits, payments[:PAYMENTS_MAX], has_more)


def _find_patients(tx: Transaction, scope: Scope, query: SearchQuery) -> list[tuple[PatientKey, MatchKind]]:
    """Return the matching patients, best first. Return patients with similar names only if no other patient matches."""
    if query.is_amount_only:
        return []
    plain = found_patients.plain_text(tx, query.text)
    found = _match_candidates(tx, scope, plain, [part_terms(plain)], _CANDIDATES_MAX)
    return found or _match_candidates(tx, scope, plain, similar_terms(plain), _SIMILAR_MAX)


def _match_candidates(
    tx: Transaction, scope: Scope, plain: str, term_sets: Sequence[Sequence[str]], limit: int
) -> list[tuple[PatientKey, MatchKind]]:
    # Each patient is looked up in the clinics of a limited user, so fewer are compared.
    limit = limit if scope.clinics is None else limit // 2
    candidates: dict[PatientKey, PatientCandidate] = {}
    for terms in term_sets:
        if terms:
            candidates |= {
                each.key: each for each in found_patients.find_candidates(tx, scope, terms, limit // len(term_sets))
            }
    matched = [(each, match_patient(plain, each.plain_id, each.plain_name)) for each in candidates.values()]
    hits = [(match.rank, each.plain_name, each.key, match) for each, match in matched if match]
    return [(key, match) for _, _, key, match in sorted(hits)]


class _PaymentMatches(NamedTuple):
    """The lines and the dead letters that were found, each with its best match."""

    lines: dict[LineKey, MatchKind]
    dead_letters: dict[int, MatchKind]

    def add(self, match: MatchKind, keys: Iterable[LineKey]) -> None:
        for key in keys:
            self.lines.setdefault(key, match)


def _find_payments(
    tx: Transaction, scope: Scope, query: SearchQuery, patients: Sequence[PatientKey]
) -> list[PaymentHit]:
    """Return the payments that match the text, and the newest payments of the given patients, best first."""
    found = _PaymentMatches({}, {})
    found.add(MatchKind.ID, found_payments.find_by_keys(tx, scope, _wanted_keys(query)))
    if query.references:
        found.add(MatchKind.CHECK_NUMBER, found_payments.find_by_references(tx, scope, query.references))
    if query.amount is not None:
        found.add(MatchKind.AMOUNT, found_payments.find_by_amount(tx, scope, query.amount))
    if _allows_partial_matches(query):
        _add_beginnings(tx, scope, query, found)
        if not found.lines and (query.has_digit or not patients):
            found.add(MatchKind.PART, found_payments.find_by_id_part(tx, scope, query.text))
    if patients:
        found.add(MatchKind.PATIENT, found_payments.find_by_patients(tx, scope, patients, _PAYMENTS_OF_PATIENT))
    _add_dead_letters(tx, scope, query, patients, found)
    rows = found_rows.read(tx, scope, [*found.lines], [*found.dead_letters])
    hits = [PaymentHit(_best_match(found, each), each) for each in rows]
    return sorted(hits, key=lambda hit: hit.match.rank)


def _wanted_keys(query: SearchQuery) -> list[KeyReading]:
    """Return the keys that the text can mean. A payment id without a clinic matches this id at every clinic."""
    return [*query.keys, *(KeyReading(None, LocalKey("", payment_id, "")) for payment_id in query.payment_ids)]


def _allows_partial_matches(query: SearchQuery) -> bool:
    """Return whether to search for ids and check numbers that begin with the text, and ids that contain it.

    The text must be a possible payment id of at least _BEGINNING_CHARACTERS_MIN characters.
    """
    return bool(query.payment_ids) and len(query.text) >= _BEGINNING_CHARACTERS_MIN


def _add_beginnings(tx: Transaction, scope: Scope, query: SearchQuery, found: _PaymentMatches) -> None:
    for beginning in query.payment_ids:
        found.add(MatchKind.ID_BEGINNING, found_payments.find_by_id_beginning(tx, scope, beginning))
    found.add(MatchKind.CHECK_NUMBER_BEGINNING, found_payments.find_by_reference_beginning(tx, scope, query.text))


def _add_dead_letters(
    tx: Transaction, scope: Scope, query: SearchQuery, patients: Sequence[PatientKey], found: _PaymentMatches
) -> None:
    part = query.text if _allows_partial_matches(query) else None
    wanted = DeadLetterQuery(_wanted_keys(query), part, query.amount, patients)
    for match, dead_letter_id in found_payments.find_dead_letters(tx, scope, wanted):
        found.dead_letters.setdefault(dead_letter_id, match)


def _best_match(found: _PaymentMatches, payment: FoundPayment) -> MatchKind:
    """Return the best match of a payment: that of its line, or that of the dead letter that supersedes the line."""
    of_line = found.lines.get(payment.key)
    of_dead_letter = found.dead_letters.get(payment.dead_letter_id or 0)
    return min((match for match in (of_line, of_dead_letter) if match), key=lambda match: match.rank)
