"""Add the amount that the patient paid and that the balance of a charge already deducts.

Earlier, a balance was read as the amount before any payment. Existing rows keep that meaning: they deduct 0.00.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    for table in ("charges", "charges_was"):
        op.add_column(table, sa.Column("patient_paid", sa.Numeric(12, 2), nullable=True, server_default="0"))
