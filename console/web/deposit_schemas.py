"""The forms and the request bodies of deposits."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.web.filters import STORABLE_PATTERN, Day, RowId, Storable, Text
from console.web.schemas import Body
from payments.contract.event import Method
from payments.core.deposit import (
    BANK_ACCOUNT_CHARACTERS_MAX,
    ENTRIES_MAX,
    REASON_CHARACTERS_MAX,
    DepositDraft,
)
from payments.core.request_key import REQUEST_KEY_CHARACTERS_MAX

GivenReason = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
BankAccount = Annotated[
    str, Field(min_length=1, max_length=BANK_ACCOUNT_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable
]
RequestKey = Annotated[
    str, Field(min_length=1, max_length=REQUEST_KEY_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable
]


class DepositFields(BaseModel):
    """The fields that the form and the request body of a new deposit share."""

    request_key: RequestKey
    clinic: Text
    method: Method
    bank_account: BankAccount
    company: Text | None = None
    day: Day | None = None

    def draft_of(self, entries: list[int]) -> DepositDraft:
        """Return the request for a deposit of these entries."""
        return DepositDraft(
            *(self.request_key, self.clinic, self.method, self.bank_account, tuple(entries), self.day, self.company)
        )


class DepositBody(DepositFields, Body):
    """A deposit to make. `entries` are ids of entries to deposit. A repeated `request_key` makes no second deposit."""

    entries: Annotated[list[RowId], Field(min_length=1, max_length=ENTRIES_MAX)]


class UndoingBody(Body):
    """The reason of a reversal, and its day. Default: the current day."""

    reason: GivenReason
    day: Day | None = None


class DepositResult(BaseModel):
    """A deposit with its entries. `before` is true if an earlier request had made or reversed it."""

    deposit: dict[str, Any]
    entries: list[dict[str, Any]]
    before: bool
