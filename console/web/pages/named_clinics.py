"""Names of clinics on pages. A name is the id, or `company:id` if several of the user's companies have the id."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from console.web.context import RequestContext
from console.web.errors import PageError
from payments.contract.keys import ID_CHARACTERS_MAX, ClinicKey
from payments.core.ambiguity import AmbiguousIdError
from payments.journeys import configuring
from payments.journeys.configuring import ClinicRow
from payments.store.db.connection import Transaction


class ClinicName(NamedTuple):
    """The clinic that a request names.

    `text` is its id or `company:id`. `company` is given if the request names the company separately.
    """

    text: str
    company: str | None = None

    def readings(self) -> list[str]:
        """Return the clinic ids that the text may mean: the whole text, and the text after each colon.

        An id may contain colons, so several ids are possible.
        """
        company = self.text[: ID_CHARACTERS_MAX + 1]
        starts = [0, *(position + 1 for position, character in enumerate(company) if character == ":")]
        return [id_ for start in starts if (id_ := self.text[start:])]


def names_of(keys: Iterable[ClinicKey]) -> dict[ClinicKey, str]:
    """Return the name of each clinic. It is the id, or `company:id` if several of these clinics have the id."""
    keys = list(keys)
    counts = Counter(key.clinic_id for key in keys)
    return {key: ":".join(key) if counts[key.clinic_id] > 1 else key.clinic_id for key in keys}


def find_clinic(tx: Transaction, context: RequestContext, name: ClinicName) -> ClinicRow:
    """Return the clinic that a request names. Raises PageError (404) if it is unknown or the user may not see it.

    Raises AmbiguousIdError if several companies of the user have the clinic, and the request names no company.
    """
    scope = context.user.scope.narrowed_to_company(name.company)
    found = [row for each in name.readings() for row in configuring.list_clinic_settings(tx, context.now, each, scope)]
    return _only_match(name, [row for row in found if name.text in {row.clinic, ":".join(row.key)}])


def find_clinics(tx: Transaction, context: RequestContext, texts: Iterable[str]) -> list[ClinicRow]:
    """Return the clinics that a request names, read by one query. Raises the same errors as `find_clinic`."""
    named: dict[str, list[ClinicRow]] = defaultdict(list)
    for row in configuring.list_clinic_settings(tx, context.now, scope=context.user.scope):
        for text in {row.clinic, ":".join(row.key)}:
            named[text].append(row)
    return [_only_match(ClinicName(text), named[text]) for text in texts]


def _only_match(name: ClinicName, rows: list[ClinicRow]) -> ClinicRow:
    if not rows:
        sentence = f"There is no clinic {name.text}." if name.text else "No clinic was selected."
        raise PageError(404, sentence, "Choose a clinic from the list.")
    if len(rows) > 1:
        raise AmbiguousIdError(f"clinic {name.text}", (row.company for row in rows))
    return rows[0]
