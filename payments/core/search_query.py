"""Parse the text of a search. One text can be read in several ways: as a name, id, check number, amount or key."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from payments.contract.keys import ID_CHARACTERS_MAX, KeyReading, LocalKey
from payments.contract.money import Money, parse_amount

TEXT_CHARACTERS_MAX = 300
"""The largest number of characters of a search text that are read. Every printed key with its company is shorter."""
_KEYS_MAX = 50

# 25, 25.5, 25.00, 1,250.00, $25, -$25.00 and ($25.00). A comma separates thousands only, so 25,00 is no amount.
_AMOUNT_PATTERN = re.compile(r"(-?)\$?(\d{1,10}|\d{1,3}(?:,\d{3})+)(\.\d{1,2})?", re.ASCII)
_PARENTHESES_PATTERN = re.compile(r"\((.+)\)")
_WORDS_BEFORE_NUMBER_PATTERN = re.compile(
    r"^(?:(?:check|cheque|chk|ck|ref|reference)\b\.?\s*)?(?:(?:number|no)\b\.?)?\s*#?\s*", re.IGNORECASE
)
_CHECK_NUMBER_SPELLINGS = ("{}", "#{}", "check {}", "Check {}", "check #{}", "Check #{}", "ck {}", "CK {}")


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
        """Whether the text has a digit. Nearly every payment id has one."""
        return any(map(str.isdigit, self.text))

    @property
    def is_amount_only(self) -> bool:
        """Whether the text can only be an amount, because it begins with a currency sign."""
        return self.amount is not None and not self.payment_ids

    @property
    def is_empty(self) -> bool:
        """Whether the search text was empty or blank."""
        return not self.text


def parse_search(text: str) -> SearchQuery:
    """Parse a search text in every possible way. Characters beyond TEXT_CHARACTERS_MAX are ignored."""
    text = text[:TEXT_CHARACTERS_MAX].strip()
    if not text:
        return SearchQuery("")
    if text.lstrip("-(").startswith("$"):
        return SearchQuery(text, amount=_parse_amount(text))
    return SearchQuery(
        text,
        payment_ids=_id_spellings(text),
        keys=tuple(islice(_possible_keys(text), _KEYS_MAX)),
        references=_reference_spellings(text),
        amount=_parse_amount(text),
    )


def _parse_amount(text: str) -> Money | None:
    """Return the amount in a text, or None if it is no amount. A minus sign or parentheses make it negative."""
    inner = _PARENTHESES_PATTERN.fullmatch(text)
    found = _AMOUNT_PATTERN.fullmatch(inner[1] if inner else text)
    if found is None:
        return None
    sign, dollars, cents = found.groups()
    try:
        return parse_amount(f"{'-' if sign or inner else ''}{dollars.replace(',', '')}{cents or ''}")
    except ValueError:
        return None  # more than an amount may be


def _id_spellings(text: str) -> tuple[str, ...]:
    """Return the text as it is, in upper case and in lower case. If it is too long for an id, return nothing."""
    return tuple(dict.fromkeys((text, text.upper(), text.lower()))) if len(text) <= ID_CHARACTERS_MAX else ()


def _possible_keys(text: str) -> Iterator[KeyReading]:
    """Yield the keys that a text can mean. Without a slash, the text is no key.

    The form is `clinic/payment/line`, `clinic/payment` or `payment/line`. `company:` may precede the first two forms.
    """
    if "/" not in text:
        return
    yield from KeyReading.parse_all(text)
    # With an empty part, a key has the three parts that `KeyReading` splits.
    yield from (each for each in KeyReading.parse_all(f"{text}/") if not each.key.line_id)
    for company, key in KeyReading.parse_all(f"/{text}"):
        if company is None and not key.clinic_id:
            yield KeyReading(None, LocalKey("", key.payment_id, key.line_id))


def _reference_spellings(text: str) -> tuple[str, ...]:
    """Return the spellings in which a check number may be stored. Words before it, such as `check no.`, are dropped.

    A text without a digit is returned only as it was typed.
    """
    number = _WORDS_BEFORE_NUMBER_PATTERN.sub("", text, count=1)
    spellings = _CHECK_NUMBER_SPELLINGS if any(map(str.isdigit, number)) else ()
    return tuple(dict.fromkeys((text, *(each.format(number) for each in spellings))))
