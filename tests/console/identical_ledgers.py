"""Create the databases of two companies with identical ids, and read the values that tests compare."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import text

from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database, connect, transaction
from tests.console.identical_companies import ALPHA, BETA, Fortnight
from tests.engines import scratch_database

# How reports, pages and the API show an id of an exception, a dead letter or an entry.
_ID_PATTERNS = {
    "findings": (
        r'(?<="id": )\d+|(?<="id":)\d+|^\d+(?=,Payment,)|(?<=[Ee]xception )\d+|(?<=/exceptions/)\d+'
        r'|(?<=name="exception" value=")\d+|(?<="exception": )\d+|(?<="exception":)\d+|(?<=exception-)\d+'
    ),
    "set_aside": (
        r"(?:(?<=refused:)|(?<=refused%3A)|(?<=Refused event )|(?<=/refused-events/)"
        r'|(?<="refused_event": )|(?<="refused_event":))\d+'
    ),
    "entries": (
        r'(?:(?<="entry": )|(?<="entry":)|(?<="reverses": )|(?<="reverses":)|(?<=entry <span class="nowrap">))\d+'
    ),
}
_ENTRY_COLUMNS = {"entry", "reverses"}
"""The columns of CSV files that hold the id of an entry."""


class Ledgers(NamedTuple):
    """The databases after the fortnight. `alone`: one for each company, by company id. `together`: one for both."""

    alone: Mapping[str, Database]
    together: Database


@contextmanager
def ledgers_after_the_fortnight(postgres_url: str, ledger_template: str) -> Iterator[Ledgers]:
    """Run the fortnight on three new databases, and yield them."""
    with (
        scratch_database(postgres_url, ledger_template) as alpha,
        scratch_database(postgres_url, ledger_template) as beta,
        scratch_database(postgres_url, ledger_template) as both,
    ):
        alpha_alone, beta_alone, together = (connect(url, application_name="tests") for url in (alpha, beta, both))
        found = Ledgers({ALPHA.id: alpha_alone, BETA.id: beta_alone}, together)
        for company in (ALPHA, BETA):
            Fortnight(found.alone[company.id], [company]).run()
        Fortnight(found.together, [ALPHA, BETA]).run()
        yield found
        for database in (*found.alone.values(), found.together):
            database.dispose()


def keys_of_each_kind(database: Database) -> list[str]:
    """Return one payment key for each combination of status, reason and application."""
    with transaction(database) as tx:
        rows = [*reporting.claims_feed(tx, FeedFilter())]
    return [*{(row.status, row.reason, row.application): str(row.payment) for row in rows}.values()]


def patients_of_each_kind(database: Database) -> list[str]:
    """Return one patient for each distribution rule, and for each status and reason of payments and refunds."""
    query = (
        "SELECT DISTINCT ON (rule) patient_id FROM allocations UNION SELECT min(patient_id) FROM lines "
        "GROUP BY refund_of IS NOT NULL, status, reason"
    )
    with transaction(database) as tx:
        return list(tx.execute(text(query)).scalars())


def number_within_company(database: Database, company: str, output: str) -> str:
    """Return the output with the ids of exceptions, dead letters and entries replaced by numbers within the company.

    Commands and addresses name such a row by its id alone, so ids are unique in the installation. The ids of one
    company therefore depend on the rows of the other.
    """
    with transaction(database) as tx:
        for table, pattern in _ID_PATTERNS.items():
            query = f"SELECT id, row_number() OVER (ORDER BY id) FROM {table} WHERE company_id = :company"
            numbers = {str(row_id): str(number) for row_id, number in tx.execute(text(query), {"company": company})}
            output = re.sub(pattern, lambda found, numbers=numbers: numbers[found[0]], output, flags=re.MULTILINE)
    return _number_entries(output, numbers)


def _number_entries(output: str, numbers: Mapping[str, str]) -> str:
    """Return a CSV file with the ids of entries replaced by `numbers`. Return other output unchanged."""
    columns = [at for at, name in enumerate(output.partition("\n")[0].split(",")) if name in _ENTRY_COLUMNS]
    if not columns:
        return output
    header, *rows = csv.reader(io.StringIO(output))
    for row in rows:
        for at in columns:
            row[at] = numbers.get(row[at], row[at])
    return "\n".join(map(",".join, [header, *rows]))
