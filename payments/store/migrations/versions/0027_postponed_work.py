"""Add the table of recurring work that failed and is tried again later.

An earlier release does not read the table. Its sweeps try failed work again in every run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    moments = ("first_failed_at", "failed_at", "next_try_at")
    op.create_table(
        "postponed_work",
        sa.Column("company_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("failed_attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in moments),
    )
