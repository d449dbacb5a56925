"""Index lines by transaction date, and widen the columns of the month totals."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("lines_by_day", "lines", ["transaction_date", "clinic_id"])
    # A larger precision with the same scale does not rewrite the table.
    op.alter_column("company_months", "payments_total", type_=sa.Numeric(precision=18, scale=2))
