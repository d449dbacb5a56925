"""Which events that were set aside speak for their line: the one rule of the Claims Feed, its pages and balancing.

- One without a key that can be read stands by itself; so does one that names a line of another company, and one that
  says neither in which version nor when.
- Every other speaks for its line until a version at least as new was processed; under the same version other content
  stays a conflict until the EMR saves the line once more. Without a version that can be read it goes by its time.
- Of several that speak for a line the newest is heard: by version, and one without by its time, against all the others.
"""

SAME_LINE = "{0}.clinic_id = {1}.clinic_id AND {0}.payment_id = {1}.payment_id AND {0}.line_id = {1}.line_id"
_KEYLESS = "num_nulls({0}.clinic_id, {0}.payment_id, {0}.line_id) > 0"
# What an event is to the line that is there under its key, if one is.
_APART = (
    "coalesce({0}.company_id <> lines.company_id, false) "
    "OR lines.id IS NOT NULL AND num_nulls({0}.version, {0}.saved_at) = 2"
)
_NEWER = (
    "coalesce({0}.version > lines.version OR {0}.version = lines.version AND {0}.reason = 'version_conflict', "
    "{0}.saved_at > lines.saved_at)"
)
_SAVED = "coalesce({0}.saved_at, '-infinity')"


def heard(where: str = "") -> str:
    """Return the SQL of `aside`: the events that stand, each with the line (`line_ref`) that it speaks for, if any.

    For reports that read everything. `where` leaves some out before the newest is chosen; `known_ref` is the line that
    there is under the same key.
    """
    return f"""
    aside AS (
        SELECT DISTINCT ON (clinic_id, payment_id, line_id, CASE WHEN is_apart THEN id END) open_ones.*,
            CASE WHEN NOT is_apart THEN known_ref END AS line_ref
        FROM (
            SELECT set_aside.*, lines.id AS known_ref, is_apart,
                CASE WHEN set_aside.version IS NULL THEN set_aside.saved_at ELSE max(set_aside.saved_at)
                    FILTER (WHERE set_aside.version IS NOT NULL AND NOT is_apart)
                    OVER (PARTITION BY clinic_id, payment_id, line_id) END AS spoken_at
            FROM set_aside LEFT JOIN lines USING (clinic_id, payment_id, line_id),
                LATERAL (SELECT {_KEYLESS.format("set_aside")} OR {_APART.format("set_aside")} AS is_apart) AS told
            WHERE set_aside.closed_at IS NULL {where}
                AND (is_apart OR lines.id IS NULL OR {_NEWER.format("set_aside")})
        ) AS open_ones
        ORDER BY clinic_id, payment_id, line_id, CASE WHEN is_apart THEN id END, spoken_at DESC NULLS LAST,
            version DESC NULLS LAST, id DESC
    )
    """


def _speaks(event: str) -> str:
    """Return the condition that an event may speak for its line, unless another does."""
    return (
        f"{event}.closed_at IS NULL AND NOT {_KEYLESS.format(event)} AND NOT EXISTS (SELECT FROM lines "
        f"WHERE {SAME_LINE.format('lines', event)} AND ({_APART.format(event)} OR NOT {_NEWER.format(event)}))"
    )


LINE_IS_CURRENT = f"""
status IS NOT NULL AND NOT EXISTS (
    SELECT FROM set_aside WHERE {SAME_LINE.format("set_aside", "lines")} AND set_aside.closed_at IS NULL
        AND NOT ({_APART.format("set_aside")}) AND {_NEWER.format("set_aside")})
"""
"""The same rule for one row of `lines`, found through indexes: no event that was set aside speaks for it."""

ASIDE_STANDS = f"""
closed_at IS NULL AND (
    {_KEYLESS.format("set_aside")}
    OR EXISTS (SELECT FROM lines WHERE {SAME_LINE.format("lines", "set_aside")} AND ({_APART.format("set_aside")}))
    OR {_speaks("set_aside")} AND NOT EXISTS (
        SELECT FROM set_aside AS other WHERE {SAME_LINE.format("other", "set_aside")} AND {_speaks("other")} AND CASE
            WHEN other.version IS NOT NULL AND set_aside.version IS NOT NULL
                THEN (other.version, other.id) > (set_aside.version, set_aside.id)
            WHEN num_nulls(other.version, set_aside.version) = 2
                THEN ({_SAVED.format("other")}, other.id) > ({_SAVED.format("set_aside")}, set_aside.id)
            WHEN set_aside.version IS NULL THEN {_SAVED.format("other")} >= {_SAVED.format("set_aside")}
            ELSE NOT EXISTS (
                SELECT FROM set_aside AS third WHERE {SAME_LINE.format("third", "set_aside")} AND {_speaks("third")}
                    AND third.version IS NOT NULL AND {_SAVED.format("third")} >= {_SAVED.format("other")})
        END))
"""
"""The same rule for one row of `set_aside`."""
