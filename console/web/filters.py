"""Read the query parameters of pages and of the API. An empty form field counts as a parameter that was not given."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

from fastapi import Form, Query
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)

from console.reports.parameters import CHOICES, Parameter, ParameterKind, parameters_of
from console.row_ids import ROW_ID_MAX, parse_count, parse_row_id
from console.web.auth import NUL_SENTENCE
from console.web.errors import PageError
from payments.contract.days import YEAR_FIRST, YEAR_LAST, parse_day, parse_moment
from payments.contract.fields import PRINTED_KEY_CHARACTERS_MAX
from payments.contract.keys import ID_CHARACTERS_MAX
from payments.contract.money import parse_amount
from payments.journeys.choosing import ScopeChoice


def _without_nul(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError(NUL_SENTENCE)
    return value


STORABLE_PATTERN = r"^[^\x00]*$"
"""The pattern in OpenAPI for a text without NUL. `Storable` rejects such a text first, with a readable message."""
Storable = BeforeValidator(_without_nul)
TEXT_CHARACTERS_MAX = PRINTED_KEY_CHARACTERS_MAX + ID_CHARACTERS_MAX + len(":")
Text = Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
"""A text as it was sent. Blanks at its ends are kept, because they are part of an id."""

FIRST_DAY, LAST_DAY = date(YEAR_FIRST, 1, 1), date(YEAR_LAST, 12, 31)


def _validator_for(parse: Callable[[str], Any], json_type: Any = str) -> BeforeValidator:
    """Return a validator that accepts only the texts that `parse` accepts. pydantic alone would accept more."""

    def check(value: object) -> object:
        return parse(value if isinstance(value, str) else json.dumps(value, default=str))

    return BeforeValidator(check, json_schema_input_type=json_type)


Amount = Annotated[Decimal, _validator_for(parse_amount)]
Day = Annotated[date, _validator_for(parse_day, date)]
Moment = Annotated[datetime, _validator_for(parse_moment, datetime)]
RowId = Annotated[int, _validator_for(parse_row_id, Annotated[int, Field(ge=1, le=ROW_ID_MAX)])]
"""The id or version of a row."""
Count = Annotated[int, _validator_for(parse_count, Annotated[int, Field(ge=0, le=ROW_ID_MAX)])]
_TYPE_BY_KIND: dict[ParameterKind, Any] = {
    ParameterKind.DAY: Day,
    ParameterKind.MOMENT: Moment,
    ParameterKind.AMOUNT: Amount,
    ParameterKind.TEXT: Text,
    ParameterKind.CLINIC: Text,
    ParameterKind.COMPANY: Text,
}


class PageQuery(BaseModel):
    """Base class of the query parameters of a page.

    It drops empty fields, and refuses a period that ends before it begins. `parameter_class` is set for the filter of a
    report.
    """

    parameter_class: ClassVar[type[Any] | None] = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value != ""}

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        since, until = getattr(self, "since", None), getattr(self, "until", None)
        if since and until and until < since:
            raise ValueError(f"the last day ({until}) is before the first day ({since})")
        return self


_Parameters = TypeVar("_Parameters")


@dataclass(frozen=True)
class ReportQuery(Generic[_Parameters]):
    """The query of a report: its parameters, and which page of its rows to show.

    `after` or `before` is the position at which the page begins or ends, and `limit` is the number of rows per page.
    `confirmed` is the number of rows that the user has confirmed in a form.
    """

    parameters: _Parameters
    after: str | None
    limit: int
    confirmed: int | None = None
    before: str | None = None

    @property
    def choice(self) -> ScopeChoice:
        """The company, the clinic and the patient that the query names."""
        return ScopeChoice(*(getattr(self.parameters, name, None) for name in ScopeChoice._fields))


def filter_fields(parameter_class: type[Any]) -> dict[str, Any]:
    """Return the pydantic fields of a report's parameters, by name."""
    return {name: _pydantic_field(each) for name, each in parameters_of(parameter_class).items()}


def query_model(
    parameter_class: type[Any], limits: tuple[int, int] | None = None, *, is_paged: bool = True
) -> type[PageQuery]:
    """Return the pydantic model of a report's query parameters. The model of a paged report has `after` and `before`.

    `limits` are the default and the maximum of the parameter `limit`. Without `limits`, the model has no `limit`.
    """
    described = filter_fields(parameter_class)
    if is_paged:
        described["after"] = (
            Text | None,
            Field(None, description="The page after this row: the `next` of the page before."),
        )
        described["before"] = (
            Text | None,
            Field(
                None, description="The page before this row: the `previous` of the page after. `end`: the last page."
            ),
        )
    if limits:
        default, most = limits
        limit = Annotated[int, _validator_for(parse_count, Annotated[int, Field(ge=1, le=most)]), Field(ge=1, le=most)]
        described["limit"] = (limit, Field(default, description="The number of rows at most."))
    model: type[PageQuery] = create_model(parameter_class.__name__, __base__=PageQuery, **described)
    model.parameter_class = parameter_class
    return model


def report_query(
    parameter_class: type[_Parameters], limits: tuple[int, int] | None = None, *, is_paged: bool = True
) -> Callable[..., ReportQuery[_Parameters]]:
    """Return a FastAPI dependency that reads the query of a report. The arguments are those of `query_model`."""
    model = query_model(parameter_class, limits, is_paged=is_paged)

    def read(given: Any) -> ReportQuery[_Parameters]:
        return _to_query(parameter_class, given)

    _declare(read, model, Query())
    return read


def report_form(parameter_class: type[_Parameters]) -> Callable[..., ReportQuery[_Parameters]]:
    """Return a FastAPI dependency that reads the parameters of a report, and `confirmed`, from a form."""
    confirmed: dict[str, Any] = {"confirmed": (Count | None, None)}
    model = create_model(parameter_class.__name__, __base__=query_model(parameter_class, is_paged=False), **confirmed)

    def read(given: Any) -> ReportQuery[_Parameters]:
        return _to_query(parameter_class, given)

    _declare(read, model, Form())
    return read


def query_of_address(parameter_class: type[_Parameters], address: str) -> ReportQuery[_Parameters]:
    """Return the query in the address of a report's page. Parameters that do not belong to the report are ignored.

    Raises PageError (422) for an address that the page itself would refuse.
    """
    model = query_model(parameter_class, is_paged=False)
    given = dict(parse_qsl(urlsplit(address).query))
    try:
        found = model.model_validate({name: value for name, value in given.items() if name in model.model_fields})
    except ValidationError:
        raise PageError(422, "The filter of the list is not valid.", "Go back to the list and repeat.") from None
    return _to_query(parameter_class, found)


def optional_report_query(parameter_class: type[_Parameters]) -> Callable[..., ReportQuery[_Parameters] | None]:
    """Return a FastAPI dependency that reads the query of a report.

    The dependency returns None if a required parameter is missing.
    """
    names = [name for name, each in parameters_of(parameter_class).items() if each.is_required]
    optional: dict[str, Any] = dict.fromkeys(names, (Text | None, None))
    model = create_model(parameter_class.__name__, __base__=query_model(parameter_class, is_paged=False), **optional)

    def read(given: Any) -> ReportQuery[_Parameters] | None:
        return None if None in (getattr(given, name) for name in names) else _to_query(parameter_class, given)

    _declare(read, model, Query())
    return read


def _to_query(parameter_class: type[_Parameters], given: BaseModel) -> ReportQuery[_Parameters]:
    """Convert a parsed model to a ReportQuery."""
    parameters = parameter_class(**{name: getattr(given, name) for name in parameters_of(parameter_class)})
    more = {name: getattr(given, name) for name in ("after", "before", "limit", "confirmed") if hasattr(given, name)}
    return ReportQuery(parameters, **{"after": None, "limit": 0} | more)


def _declare(read: Callable[..., Any], model: type[BaseModel], source: Any) -> None:
    """Set the signature of `read`, from which FastAPI learns the model, and whether to read a query or a form."""
    given = inspect.Parameter("given", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Annotated[model, source])
    read.__signature__ = inspect.Signature([given])  # type: ignore[attr-defined]


def _pydantic_field(parameter: Parameter) -> tuple[Any, Any]:
    kind: Any = parameter.choices() if parameter.kind in CHOICES else _TYPE_BY_KIND[parameter.kind]
    # Error messages name a field by its title.
    if parameter.is_required:
        return kind, Field(title=parameter.label, description=parameter.help)
    optional = kind | None if parameter.default is None else kind
    return optional, Field(parameter.default, title=parameter.label, description=parameter.help)
