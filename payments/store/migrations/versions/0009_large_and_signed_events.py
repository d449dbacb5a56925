"""Add the full size and the signature to dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # In the same order in both tables, because the trigger copies rows by the order of the columns.
    for table in ("set_aside", "set_aside_was"):
        op.add_column(table, sa.Column("whole_bytes", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("signature", sa.Text(), nullable=True))
