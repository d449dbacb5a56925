"""Move the distribution queue to a table of its own, and store the progress of nightly runs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "account_marks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("account_marks_pkey")),
    )
    op.create_index("account_marks_by_account", "account_marks", ["company_id", "patient_id"])
    op.execute(
        "INSERT INTO account_marks (company_id, patient_id, marked_at) "
        "SELECT company_id, patient_id, distribute_at FROM patients WHERE distribute_at IS NOT NULL"
    )
    op.drop_index("patients_to_distribute", "patients")
    op.drop_column("patients", "distribute_at")
    op.add_column("companies", sa.Column("distributed_on", sa.Date(), nullable=True))
    op.add_column("companies", sa.Column("distributed_to", sa.Text(), nullable=True))
