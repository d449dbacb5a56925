"""Parse the text of a search. One text can be read in several ways: as a name, id, check number, amount or key."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from payments.contract.keys import ID_CHARACTERS_MAX, KeyReading, LocalKey
from payments.contract.money import Money, parse_amount

TEXT_CHARACTERS_MAX = 300
"""The characters of a search text that are read. A printed key with its company is shorter."""
_KEYS_MAX = 50

# 25, 25.5, 25.00, 1,250.00, $25, -$25.00 and ($25.00). A comma separates thousands only, so 25,00 is no amount.
_AMOUNT = re.compile(r"(-?)\$?(\d{1,10}|\d{1,3}(?:,\d{3})+)(\.\d{1,2})?", re.ASCII)
_IN_PARENTHESES = re.compile(r"\((.+)\)")
_NUMBER_WORDS = re.compile(
    r"^(?:(?:check|cheque|chk|ck|ref|reference)\b\.?\s*)?(?:(?:number|no)\b\.?)?\s*#?\s*", re.IGNORECASE
)
_REFERENCE_FORMS = ("{}", "#{}", "check {}", "Check {}", "check #{}", "Check #{}", "ck {}", "CK {}")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """The ways in which a search text can be read. An empty attribute matches nothing.

    - `text`: the text without blanks at its ends. It is searched among patients.
    - `payment_ids`: the text as a payment id, and its other spellings. The first one is the text as it was typed.
    - `keys`: the text as a printed key. If the text names no clinic or no line, this part of the key is empty.
    - `references`: the text as a check number, and its other spellings.
    - `amount`: the text as an amount, in dollars.
    """

    text: str
    payment_ids: tuple[str, ...] = ()
    keys: tuple[KeyReading, ...] = ()
    references: tuple[str, ...] = ()
    amount: Money | None = None

    @property
    def has_digit(self) -> bool:
        """Whether the text has a digit, as nearly every id of a payment has."""
        return any(map(str.isdigit, self.text))

    @property
    def is_amount_only(self) -> bool:
        """Whether the text has a currency sign. It is then no name, id or check number."""
        return self.amount is not None and not self.payment_ids

    @property
    def is_empty(self) -> bool:
        """Whether the text was empty or blank."""
        return not self.text


def parse_search(text: str) -> SearchQuery:
    """Return the ways in which a search text can be read. Characters beyond TEXT_CHARACTERS_MAX are ignored."""
    text = text[:TEXT_CHARACTERS_MAX].strip()
    if not text:
        return SearchQuery("")
    if text.lstrip("-(").startswith("$"):
        return SearchQuery(text, amount=_amount(text))
    return SearchQuery(
        text,
        payment_ids=_forms_of_id(text),
        keys=tuple(islice(_keys(text), _KEYS_MAX)),
        references=_references(text),
        amount=_amount(text),
    )


def _amount(text: str) -> Money | None:
    """Return the amount in a text, or None. A minus sign or parentheses make the amount negative."""
    inner = _IN_PARENTHESES.fullmatch(text)
    found = _AMOUNT.fullmatch(inner[1] if inner else text)
    if found is None:
        return None
    sign, dollars, cents = found.groups()
    try:
        return parse_amount(f"{'-' if sign or inner else ''}{dollars.replace(',', '')}{cents or ''}")
    except ValueError:
        return None  # more than an amount may be


def _forms_of_id(text: str) -> tuple[str, ...]:
    """Return the text as an id, and the text in upper and in lower case. Return nothing if it is too long for an id."""
    return tuple(dict.fromkeys((text, text.upper(), text.lower()))) if len(text) <= ID_CHARACTERS_MAX else ()


def _keys(text: str) -> Iterator[KeyReading]:
    """Yield the keys that a text can mean.

    The text is `clinic/payment/line`, `clinic/payment` or `payment/line`. The first two may follow `company:`.
    """
    if "/" not in text:
        return
    yield from KeyReading.parse_all(text)
    # With an empty part, a key has the three parts that `KeyReading` splits.
    yield from (each for each in KeyReading.parse_all(f"{text}/") if not each.key.line_id)
    for company, key in KeyReading.parse_all(f"/{text}"):
        if company is None and not key.clinic_id:
            yield KeyReading(None, LocalKey("", key.payment_id, key.line_id))


def _references(text: str) -> tuple[str, ...]:
    """Return the spellings in which a check number may be stored. Words before it, such as `check no.`, are dropped.

    A text without a digit is returned only as it was typed.
    """
    number = _NUMBER_WORDS.sub("", text, count=1)
    forms = _REFERENCE_FORMS if any(map(str.isdigit, number)) else ()
    return tuple(dict.fromkeys((text, *(form.format(number) for form in forms))))
