"""Add the drawers of clinics, what they took, and their counts.

The foreign key to `lines` is created while services use the database (`company_keys.py`).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0038"
down_revision = "0037"

_MOMENT = sa.DateTime(timezone=True)
_DOLLARS = sa.Numeric(12, 2)


def upgrade() -> None:
    _create_drawers()
    _create_lines_and_counts()
    op.execute(_REFUSE_CHANGE_OF_DRAWERS)
    op.execute(
        "CREATE TRIGGER drawers_only_advance BEFORE UPDATE OR DELETE ON drawers "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_drawers()"
    )
    for table in ("drawer_lines", "drawer_counts"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()"
        )
    for table, verb in (
        *(("drawers", "insert"), ("drawers", "update")),
        *(("drawer_lines", "insert"), ("drawer_counts", "insert")),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_moved_{verb} AFTER {verb.upper()} ON {table} REFERENCING NEW TABLE AS changed "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
        )


def _create_drawers() -> None:
    op.create_table(
        "drawers",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("shift", sa.Integer, nullable=False),
        sa.Column("starting_cash", _DOLLARS, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("locked_at", _MOMENT),
        sa.Column("locked_by", sa.Text),
        sa.Column("closed_at", _MOMENT),
        sa.Column("closed_by", sa.Text),
        sa.PrimaryKeyConstraint("company_id", "id"),
    )
    op.create_index("drawers_of_day", "drawers", ["company_id", "clinic_id", "day", "shift"], unique=True)
    is_open = sa.text("locked_at IS NULL")
    op.create_index("drawers_open", "drawers", ["company_id", "clinic_id"], unique=True, postgresql_where=is_open)


def _create_lines_and_counts() -> None:
    op.create_table(
        "drawer_lines",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("drawer_ref", sa.BigInteger, nullable=False),
        sa.Column("line_ref", sa.BigInteger, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("clinic_id", sa.Text, nullable=False),
        sa.Column("amount", _DOLLARS, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("transaction_date", sa.Date, nullable=False),
        sa.Column("was_taken_before", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "drawer_ref", "line_ref", "method"),
    )
    op.create_index("drawer_lines_of_clinic", "drawer_lines", ["company_id", "clinic_id", "line_ref"])
    op.create_table(
        "drawer_counts",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("drawer_ref", sa.BigInteger, nullable=False),
        sa.Column("cash", JSONB, nullable=False),
        sa.Column("others", JSONB, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("counted_at", _MOMENT, nullable=False),
        sa.Column("counted_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "id"),
    )
    op.create_index("drawer_counts_of_drawer", "drawer_counts", ["company_id", "drawer_ref"])


_FIXED = "company_id, id, clinic_id, day, shift, starting_cash, opened_at, opened_by"
_LOCKED = "locked_at, locked_by"


def _is_unchanged(columns: str) -> str:
    old, new = (", ".join(f"{row}.{name}" for name in columns.split(", ")) for row in ("OLD", "NEW"))
    return f"({new}) IS NOT DISTINCT FROM ({old})"


_REFUSE_CHANGE_OF_DRAWERS = f"""
CREATE FUNCTION refuse_change_of_drawers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND {_is_unchanged(_FIXED)} AND OLD.closed_at IS NULL AND (
        OLD.locked_at IS NULL AND NEW.locked_at IS NOT NULL AND NEW.closed_at IS NULL
        OR OLD.locked_at IS NOT NULL AND {_is_unchanged(_LOCKED)} AND NEW.closed_at IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a drawer is only locked once and then closed once: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""
