"""Add deposits and the entries on them.

The foreign keys are created while services use the database (`company_keys.py`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.create_table(
        "deposits",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("bank_account", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("total", sa.Numeric(18, 2), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("reversed_ref", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("company_id", "id"),
    )
    op.create_index("deposits_by_request", "deposits", ["company_id", "request_key"], unique=True)
    op.create_index("deposits_by_reversed", "deposits", ["company_id", "reversed_ref"], unique=True)
    op.create_index("deposits_by_day", "deposits", ["company_id", "clinic_id", "day"])
    op.create_table(
        "deposit_items",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("deposit_ref", sa.BigInteger, nullable=False),
        sa.Column("entry_ref", sa.BigInteger, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "deposit_ref", "entry_ref"),
    )
    op.create_index("deposit_items_of_entry", "deposit_items", ["company_id", "entry_ref", "turn"], unique=True)
    for table in ("deposits", "deposit_items"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_moved_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS changed "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
        )
