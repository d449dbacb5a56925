"""The entries of a line in SQL: its own entries, and the manual entries that users have linked to it (rule D4).

To read these entries as of an earlier moment, pass the tables `entries` and `entry_links` to `as_of_query`.
"""

_IS_ACTIVE = "entry_links.ended_at IS NULL"


def entries_of_line(company_id: str, line_ref: str) -> str:
    """Return the query of a line's entries: all columns of `entries`, and `is_linked`.

    The arguments are SQL expressions. Each table is read through its index by line.
    """
    return (
        "(SELECT entries.*, false AS is_linked FROM entries "
        f"WHERE entries.company_id = {company_id} AND entries.line_ref = {line_ref} OFFSET 0) UNION ALL "
        f"(SELECT linked.*, true AS is_linked FROM {links_of_line(company_id, line_ref)} OFFSET 0)"
    )


def linked_amount(company_id: str, line_ref: str) -> str:
    """Return the expression of the sum in dollars of the manual entries that are linked to a line; 0.00 for none."""
    return f"coalesce((SELECT sum(linked.amount) FROM {links_of_line(company_id, line_ref)}), 0.00)"


def amount_linked_at(company_id: str, line_ref: str, moment: str) -> str:
    """Return the expression of `linked_amount` as it was at a moment. The arguments are SQL expressions."""
    was_active = f"linked_at <= {moment} AND coalesce(ended_at > {moment}, true)"
    links = links_of_line(company_id, line_ref, was_active)
    return f"coalesce((SELECT sum(linked.amount) FROM {links}), 0.00)"


LINKED_AMOUNTS_QUERY = f"""
SELECT entry_links.company_id, entry_links.line_ref, sum(linked.amount) AS linked FROM entry_links
    JOIN entries AS linked ON linked.company_id = entry_links.company_id AND linked.id = entry_links.entry_ref
WHERE {_IS_ACTIVE} GROUP BY entry_links.company_id, entry_links.line_ref
"""
"""The query that returns `linked_amount` as the column `linked`, for each line with a linked entry."""

ACTIVE_LINK = (
    "LEFT JOIN entry_links AS link ON link.company_id = entries.company_id AND link.entry_ref = entries.id "
    "AND link.ended_at IS NULL"
)
"""The JOIN clause that adds the active link of each row of `entries`, if it has one."""

IS_OF_DEPOSIT = (
    "(entries.kind <> 'manual' OR EXISTS (SELECT FROM manual_entries AS own WHERE own.company_id = entries.company_id "
    "AND own.entry_ref = entries.id AND own.purpose IN ('payment', 'adjustment', 'error_correction')))"
)
"""The condition that a row of `entries` is money that the office took.

Refunds, payments that the bank took back and transfers between accounts are none, nor are their reversals.
"""


def links_of_line(company_id: str, line_ref: str, condition: str = _IS_ACTIVE) -> str:
    """Return a FROM item named `linked`: the rows of `entries` that are linked to a line.

    The arguments are SQL expressions. `condition` selects rows of `entry_links`, by default the links not ended.
    """
    return (
        f"(SELECT company_id, entry_ref FROM entry_links WHERE entry_links.company_id = {company_id} "
        f"AND entry_links.line_ref = {line_ref} AND {condition} OFFSET 0) AS links, LATERAL (SELECT * FROM entries "
        "WHERE entries.company_id = links.company_id AND entries.id = links.entry_ref OFFSET 0) AS linked"
    )
