"""Add the append-only table of allocations, and two columns to dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "allocations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("line_ref", sa.BigInteger(), nullable=False),
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("distribution_date", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["line_ref"], ["lines.id"], name=op.f("allocations_line_ref_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("allocations_pkey")),
    )
    op.create_index("allocations_by_line", "allocations", ["line_ref"], unique=False)
    op.create_index("allocations_by_patient", "allocations", ["company_id", "patient_id"], unique=False)
    op.add_column("patients", sa.Column("distribute_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "patients_to_distribute",
        "patients",
        ["distribute_at"],
        unique=False,
        postgresql_where=sa.text("distribute_at IS NOT NULL"),
    )
    op.add_column("set_aside", sa.Column("transaction_date", sa.Date(), nullable=True))
    op.add_column("set_aside", sa.Column("paid", sa.Boolean(), nullable=True))
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'allocations are append-only: add a movement instead of %', TG_OP
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER allocations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON allocations
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_allocations()
        """
    )
