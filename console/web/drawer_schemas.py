"""The forms and the request bodies of drawers."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from console.web.filters import STORABLE_PATTERN, Amount, Count, Day, Storable, Text
from console.web.schemas import Body
from payments.contract.event import Method
from payments.contract.money import ZERO
from payments.core.drawer import COUNTED_METHODS, DENOMINATIONS, REASON_CHARACTERS_MAX, CashCount, DrawerCount

Reason = Annotated[str, Field(max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]


def field_of(method: Method) -> str:
    """Return the name of the field with the amount that was counted for a method."""
    return method.value.lower().replace(" ", "_")


class OpeningFields(BaseModel):
    """The fields that the form and the request body for opening a drawer share."""

    clinic: Text
    company: Text | None = None
    day: Day | None = None
    starting_cash: Annotated[Amount | None, Field(title="Starting cash")] = None


class OpeningBody(OpeningFields, Body):
    """A drawer to open. Default day: the current day. Default starting cash: that of the clinic's last drawer."""


class _CountBase(BaseModel):
    reason: Reason = ""

    def to_count(self) -> DrawerCount:
        """Return the count."""
        given: dict[str, Any] = self.model_dump()
        cash = CashCount(**{name: given[name] for name in DENOMINATIONS})
        others: dict[Method, Decimal] = {method: given[field_of(method)] for method in COUNTED_METHODS}
        return DrawerCount(cash, others, self.reason)


_PIECES: dict[str, Any] = {
    name: (Annotated[Count, Field(title=f"Number of {value}")], 0) for name, value in DENOMINATIONS.items()
}
_AMOUNTS: dict[str, Any] = {
    field_of(method): (Annotated[Amount, Field(title=method.value)], ZERO) for method in COUNTED_METHODS
}
CountFields = create_model("CountFields", __base__=_CountBase, **_PIECES, **_AMOUNTS)


class CountBody(CountFields, Body):
    """The bills and coins in a drawer, the dollars of each other method, and the reason for a difference."""


class DrawerResult(BaseModel):
    """A drawer, the balance of each of its methods, and its payments. `before`: an earlier request had opened it."""

    drawer: dict[str, Any]
    methods: list[dict[str, Any]]
    payments: list[dict[str, Any]]
    before: bool
