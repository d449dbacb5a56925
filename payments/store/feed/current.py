"""Select the current dead letters: the dead letters that are rows of the Claims Feed. Balancing uses the same rule.

- A dead letter is a row of its own if its key (which includes the company) is unreadable, or if both its version and
  its save time are unreadable.
- A rejected patient or charge is a row of its own until Billing holds a version that is at least as new. Versions are
  compared as for a line.
- Any other dead letter supersedes its line until Billing has processed a version that is at least as new. A version
  conflict also supersedes a line of the same version, until the EMR saves the line again. A dead letter without a
  readable version is compared by its save time.
- If several dead letters supersede one line, only the newest is current. Dead letters with versions are compared by
  version. A dead letter without a version is the newest only if it was saved after all the others.
"""

from payments.contract.keys import LineKey

_KEY_LIST = ", ".join(LineKey._fields)
_SAME_KEY = " AND ".join(f"{{0}}.{name} = {{1}}.{name}" for name in LineKey._fields)
_HAS_NO_KEY = f"num_nulls({', '.join(f'{{0}}.{name}' for name in LineKey._fields)}) > 0"
# The dead letter has nothing to do with the line that exists under its key.
_IS_UNRELATED = "lines.id IS NOT NULL AND num_nulls({0}.version, {0}.saved_at) = 2"
_IS_NEWER_THAN = (
    "coalesce({0}.version > {1}.version OR {0}.version = {1}.version AND {0}.reason = 'version_conflict', "
    "{0}.saved_at > {1}.saved_at{2})"
)
_IS_NEWER = _IS_NEWER_THAN.format("{0}", "lines", "")
# The EMR has saved the patient or the charge again. If neither can be compared, the dead letter stays.
_IS_SAVED_AGAIN = (
    "(coalesce({0}.event_type, '') = 'patient.saved' AND EXISTS (SELECT FROM patients AS saved "
    "WHERE saved.company_id = {0}.company_id AND saved.patient_id = {0}.patient_id AND NOT {1}) "
    "OR coalesce({0}.event_type, '') = 'charge.saved' AND EXISTS (SELECT FROM charges AS saved "
    "WHERE saved.clinic_id = {0}.clinic_id AND saved.charge_id = {0}.charge_id "
    "AND saved.company_id = {0}.company_id AND NOT {1}))"
).format("set_aside", _IS_NEWER_THAN.format("set_aside", "saved", ", true"))
_SAVED_AT = "coalesce({0}.saved_at, '-infinity')"


def current_dead_letters_cte(where: str = "") -> str:
    """Return the SQL of a CTE `current_dead_letters`, for reports that read the whole feed.

    Its columns are the columns of the table, `line_ref` (the id of the line that the dead letter supersedes, or null)
    and `key_line_ref` (the id of the line with the same key). `where` is an SQL condition that starts with AND. It is
    applied before the newest dead letter of each line is chosen.
    """
    return f"""
    current_dead_letters AS (
        SELECT DISTINCT ON ({_KEY_LIST}, CASE WHEN is_unrelated THEN id END) candidates.*,
            CASE WHEN NOT is_unrelated THEN key_line_ref END AS line_ref
        FROM (
            SELECT set_aside.*, lines.id AS key_line_ref, is_unrelated,
                CASE WHEN set_aside.version IS NULL THEN set_aside.saved_at ELSE max(set_aside.saved_at)
                    FILTER (WHERE set_aside.version IS NOT NULL AND NOT is_unrelated)
                    OVER (PARTITION BY {_KEY_LIST}) END AS ordered_at
            FROM set_aside LEFT JOIN lines USING ({_KEY_LIST}),
                LATERAL (SELECT {_HAS_NO_KEY.format("set_aside")} OR {_IS_UNRELATED.format("set_aside")}
                    AS is_unrelated) AS relation
            WHERE set_aside.closed_at IS NULL {where} AND NOT {_IS_SAVED_AGAIN}
                AND (is_unrelated OR lines.id IS NULL OR {_IS_NEWER.format("set_aside")})
        ) AS candidates
        ORDER BY {_KEY_LIST}, CASE WHEN is_unrelated THEN id END, ordered_at DESC NULLS LAST,
            version DESC NULLS LAST, id DESC
    )
    """


def _supersedes_its_line(dead_letter: str) -> str:
    """Return the SQL condition that a dead letter is open, has a key, and is newer than its line, if any."""
    return (
        f"{dead_letter}.closed_at IS NULL AND NOT {_HAS_NO_KEY.format(dead_letter)} AND NOT EXISTS (SELECT FROM lines "
        f"WHERE {_SAME_KEY.format('lines', dead_letter)} "
        f"AND ({_IS_UNRELATED.format(dead_letter)} OR NOT {_IS_NEWER.format(dead_letter)}))"
    )


LINE_IS_NEWEST = f"""
NOT EXISTS (
    SELECT FROM set_aside WHERE {_SAME_KEY.format("set_aside", "lines")} AND set_aside.closed_at IS NULL
        AND NOT ({_IS_UNRELATED.format("set_aside")}) AND {_IS_NEWER.format("set_aside")})
"""
"""The condition on one row of `lines` that no dead letter supersedes it. Uses indexes only."""
LINE_IS_CURRENT = f"""
status IS NOT NULL AND {LINE_IS_NEWEST.lstrip()}"""
"""The condition on one row of `lines` that it is on the Claims Feed: it has a status, and no dead letter supersedes it.

Uses indexes only.
"""

LINE_IS_CURRENT_IN_ORDER = f"{LINE_IS_CURRENT.rstrip().removesuffix(')')} OFFSET 0)"
"""LINE_IS_CURRENT for rows that are read in the order of an index. OFFSET makes PostgreSQL look up each row. Otherwise
it may join the two tables as sets, and read both tables completely before it returns the first row."""

DEAD_LETTER_IS_CURRENT = f"""
closed_at IS NULL AND NOT {_IS_SAVED_AGAIN} AND (
    {_HAS_NO_KEY.format("set_aside")}
    OR EXISTS (SELECT FROM lines WHERE {_SAME_KEY.format("lines", "set_aside")}
        AND ({_IS_UNRELATED.format("set_aside")}))
    OR {_supersedes_its_line("set_aside")} AND NOT EXISTS (
        SELECT FROM set_aside AS other WHERE {_SAME_KEY.format("other", "set_aside")}
            AND {_supersedes_its_line("other")} AND CASE
            WHEN other.version IS NOT NULL AND set_aside.version IS NOT NULL
                THEN (other.version, other.id) > (set_aside.version, set_aside.id)
            WHEN num_nulls(other.version, set_aside.version) = 2
                THEN ({_SAVED_AT.format("other")}, other.id) > ({_SAVED_AT.format("set_aside")}, set_aside.id)
            WHEN set_aside.version IS NULL THEN {_SAVED_AT.format("other")} >= {_SAVED_AT.format("set_aside")}
            ELSE NOT EXISTS (
                SELECT FROM set_aside AS third WHERE {_SAME_KEY.format("third", "set_aside")}
                    AND {_supersedes_its_line("third")}
                    AND third.version IS NOT NULL AND {_SAVED_AT.format("third")} >= {_SAVED_AT.format("other")})
        END))
"""
"""The condition on one row of `set_aside` that it is a row of the Claims Feed. Uses indexes only."""
