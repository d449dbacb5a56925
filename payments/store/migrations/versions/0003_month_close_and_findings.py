"""Add findings, and the columns of the month close."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("line_ref", sa.BigInteger(), nullable=False),
        sa.Column("set_aside_ref", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("closed_case", sa.Text(), nullable=True),
        sa.Column("amount_before", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("amount_now", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("proposal", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["line_ref"], ["lines.id"], name=op.f("findings_line_ref_fkey")),
        sa.ForeignKeyConstraint(["set_aside_ref"], ["set_aside.id"], name=op.f("findings_set_aside_ref_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("findings_pkey")),
        sa.UniqueConstraint("line_ref", "version", "reason", name=op.f("findings_line_ref_version_reason_key")),
    )
    op.create_index(
        "findings_one_open", "findings", ["line_ref"], unique=True, postgresql_where=sa.text("status = 'open'")
    )
    op.add_column("company_months", sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("company_months", sa.Column("scheduled_by", sa.Text(), nullable=True))
    op.add_column("company_months", sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("company_months", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("company_months", sa.Column("payments_total", sa.Numeric(precision=12, scale=2), nullable=True))
    op.add_column("company_months", sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("company_months", sa.Column("snapshot_hash", sa.LargeBinary(), nullable=True))
    op.add_column("lines", sa.Column("settled_notes", sa.LargeBinary(), nullable=True))
    op.create_index(
        "lines_excepted",
        "lines",
        ["id"],
        unique=False,
        postgresql_where=sa.text("application = 'exception' OR reason = 'patient_not_found'"),
    )
