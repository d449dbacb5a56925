"""Lines are found by their day, and a month may add up to more than one entry can state."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("lines_by_day", "lines", ["transaction_date", "clinic_id"])
    # More digits before the point: no row is rewritten for it.
    op.alter_column("company_months", "payments_total", type_=sa.Numeric(precision=18, scale=2))
