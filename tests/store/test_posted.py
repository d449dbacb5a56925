"""PostgreSQL computes the same posted state of a payment as the rules in `payments.core`."""

from collections.abc import Iterator
from itertools import product

from sqlalchemy import text

from payments.core.outcome import Application, Reason, Status
from payments.core.posted import PostedFacts, posted_state
from payments.store.db.connection import Transaction
from payments.store.feed.posted import NEEDS_NO_ACTION, render_rules
from payments.store.tables import MAY_BE_UNPOSTED

BOOLEANS = (False, True)


def all_facts() -> Iterator[PostedFacts]:
    for status, reason, application in product(Status, (None, *Reason), Application):
        yield from (PostedFacts(status, reason, application, *flags) for flags in product(BOOLEANS, repeat=3))


def test_sql_computes_the_state_of_the_rules_for_every_combination_of_codes(tx: Transaction) -> None:
    facts = list(all_facts())
    names = PostedFacts._fields
    rows = ", ".join(f"({', '.join(map(sql_literal, each))})" for each in facts)
    state = render_rules({name: name for name in names})
    found = tx.execute(text(f"SELECT {state} FROM (VALUES {rows}) AS facts({', '.join(names)})")).scalars()

    assert list(found) == [posted_state(each) for each in facts]


def sql_literal(value: object) -> str:
    return "CAST(NULL AS text)" if value is None else str(value).lower() if value in BOOLEANS else f"'{value}'"


def test_condition_of_the_partial_indexes_holds_for_every_state_that_needs_action(tx: Transaction) -> None:
    facts = [each for each in all_facts() if posted_state(each) not in NEEDS_NO_ACTION]
    rows = ", ".join(f"('{each.status}', '{each.application}')" for each in facts)
    query = f"SELECT count(*) FROM (VALUES {rows}) AS facts(status, application) WHERE NOT ({MAY_BE_UNPOSTED})"

    assert tx.execute(text(query)).scalar_one() == 0
