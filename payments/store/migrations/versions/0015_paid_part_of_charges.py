"""Add `charges.patient_paid`: the part of the patient's payments that the EMR has already deducted from the balance.

Earlier releases treated a balance as the amount before any payment, so existing rows get 0.00.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for table in ("charges", "charges_was"):
        op.add_column(table, sa.Column("patient_paid", sa.Numeric(12, 2), nullable=True, server_default="0"))
