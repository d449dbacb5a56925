"""Measure the console's search among a million payments and 200,000 patients, with row-level security."""

import statistics
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import httpx
from rich.table import Table

from bench.testbed import Testbed, WrongResultError
from payments.contract.keys import ClinicKey
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import searching
from payments.store.db.connection import Database, transaction
from payments.store.db.isolation import Access, connect_isolated, with_access

LIMIT_MS = 100
"""Target: the median time of a search is at most this."""
PATIENTS, ROUNDS, WARM = 200_000, 15, 3
SCOPES = (
    EVERYTHING,
    Scope.of_companies("company-1"),
    Scope(frozenset({"company-1"}), frozenset({"clinic-small"})),
    Scope.of_clinic_keys(
        {"company-1", "company-2"}, [ClinicKey("company-1", "clinic-1"), ClinicKey("company-2", "clinic-2")]
    ),
    Scope(frozenset({"company-1"}), frozenset({"clinic-1", "clinic-6"})),
)
_GIVEN_NAMES = (
    "James Mary Robert Patricia John Jennifer Michael Linda David José María Renée Ana Anna Hannah Joanna Luis Sofia"
)
_FIRST_SYLLABLES = (
    "Gar Mar Hern Lo Gon Wil An Tay Mo Jack Thom Whi Har San Cla Ram Le Rob Wal Al Kin Wri Sco Tor Hill Flo Gre"
)
_LAST_SYLLABLES = (
    "cia tin andez pez zalez son derson lor ore pson ris chez rk irez wis inson ker ng len ght res yen en ams ell er"
)
PREPARATION = (
    """
    INSERT INTO patients (company_id, patient_id, known_at, version)
    SELECT 'company-' || number % 5, 'patient-' || number, now(), 1 FROM generate_series(0, 199999) AS number
    ON CONFLICT DO NOTHING
    """,
    f"""
    UPDATE patients SET name = given[1 + number * 31 % cardinality(given)] || ' '
        || first[1 + number * 7 % cardinality(first)] || second[1 + number * 13 % cardinality(second)]
        || CASE WHEN number % 3 = 0 THEN '' ELSE substr(md5(number::text), 1, 1) END
    FROM (SELECT patient_id AS id, substr(patient_id, 9)::bigint AS number FROM patients) AS numbered,
        (SELECT string_to_array('{_GIVEN_NAMES}', ' ') AS given, string_to_array('{_FIRST_SYLLABLES}', ' ') AS first,
            string_to_array('{_LAST_SYLLABLES}', ' ') AS second) AS parts
    WHERE patient_id = id
    """,
    """
    UPDATE lines SET reference = CASE WHEN id % 5 = 0 THEN (1000 + id % 9000)::text END,
        amount_paid = CASE WHEN id % 3 = 0 THEN 25 ELSE 5 + id % 20000 / 100.0 END
    """,
    "INSERT INTO clinics (company_id, clinic_id) VALUES ('company-1', 'clinic-small')",
    """
    UPDATE lines SET clinic_id = 'clinic-small'
    WHERE id IN (SELECT id FROM lines WHERE company_id = 'company-1' ORDER BY id LIMIT 100)
    """,
)
"""Statements that add names, check numbers and various amounts to a ledger that `growth.create_ledger` fills."""
TEXTS = (
    *(
        "garcia",
        "maria garcia",
        "ma",
        "arci",
        "Hannah Thomson",
        "robrt garzia",
        "nobody at all",
        "p",
        "patient",
        "patient-150000",
        "50000",
    ),
    *("stored-500000", "stored-50", "clinic-7/stored-500", "00123", "check 4711", "$25.00", "117.35", "$7,777.77"),
)


class SearchTiming(NamedTuple):
    """Median milliseconds of one search, measured in several scopes, and its number of hits in the last scope.

    The scope `small_clinic` is a clinic with 100 payments, `keys` is one clinic in each of two companies, and `clinics`
    is two clinics of one company. `answer` is the time of the whole page for all companies.
    """

    all_companies: float
    company: float
    small_clinic: float
    keys: float
    clinics: float
    answer: float
    hits: int

    @property
    def slowest(self) -> float:
        """The longest of the times of all scopes and of the page."""
        return max(self.all_companies, self.company, self.small_clinic, self.keys, self.clinics, self.answer)


def table(found: Mapping[str, SearchTiming]) -> Table:
    """Return the times as a table for the terminal."""
    shown = Table(title=f"A search, milliseconds in the median of {ROUNDS} rounds", title_justify="left")
    for heading in (
        "",
        "hits in two clinics",
        "all companies",
        "a company",
        "a small clinic",
        "clinics of two companies",
        "two clinics",
        "answer over HTTP",
    ):
        shown.add_column(heading, justify="left" if not heading else "right")
    for row in rows(found):
        shown.add_row(*row)
    return shown


def rows(found: Mapping[str, SearchTiming]) -> list[tuple[str, ...]]:
    """Return the rows of the table: the text, the number of hits, and the times."""
    return [(wanted, str(each.hits), *(f"{time_ms:.1f}" for time_ms in each[:-1])) for wanted, each in found.items()]


def measure(testbed: Testbed, client: httpx.Client) -> dict[str, SearchTiming]:
    """Search the testbed's ledger for each of TEXTS, and return the times. Raises WrongResultError if a page fails."""
    database = connect_isolated(testbed.engines.database_url, application_name="bench", pool_size=1)
    try:
        return {wanted: _measure(database, wanted, client) for wanted in TEXTS}
    finally:
        database.dispose()


def _measure(database: Database, wanted: str, client: httpx.Client) -> SearchTiming:
    taken: list[list[float]] = []
    hits = 0
    for _ in range(WARM + ROUNDS):
        times: list[float] = []
        for scope in SCOPES:
            started = time.perf_counter()
            with transaction(with_access(database, Access(scope.companies))) as tx:
                found = searching.search(tx, wanted, scope)
            times.append((time.perf_counter() - started) * 1_000)
            hits = len(found.patients) + len(found.payments)
        started = time.perf_counter()
        if client.get("/search", params={"q": wanted}).status_code != HTTPStatus.OK:
            raise WrongResultError(f"the search for {wanted} failed")
        taken.append([*times, (time.perf_counter() - started) * 1_000])
    medians = (statistics.median(each) for each in zip(*taken[WARM:], strict=True))
    return SearchTiming._make([*medians, hits])
