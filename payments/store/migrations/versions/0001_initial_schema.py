"""Create the initial schema: companies, clinics, patients, events, lines, dead letters, entries, charges, history."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "charges",
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("date_of_service", sa.Date(), nullable=False),
        sa.Column("patient_balance", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("insurance_open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "charge_id", name=op.f("charges_pkey")),
    )
    op.create_index("charges_by_patient", "charges", ["company_id", "patient_id"], unique=False)
    op.create_table(
        "companies",
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("hold_days", sa.Integer(), server_default="30", nullable=False),
        sa.Column("dos_first", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("adjustments", sa.Text(), server_default="review", nullable=False),
        sa.PrimaryKeyConstraint("company_id", name=op.f("companies_pkey")),
    )
    op.create_table(
        "company_months",
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default="OPEN", nullable=False),
        sa.PrimaryKeyConstraint("company_id", "month", name=op.f("company_months_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("events_pkey")),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("line_ref", sa.BigInteger(), nullable=True),
        sa.Column("set_aside_ref", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("history_pkey")),
    )
    op.create_index(
        "history_by_entry",
        "history",
        ["entry_id"],
        unique=False,
        postgresql_where=sa.text("line_ref IS NULL AND set_aside_ref IS NULL"),
    )
    op.create_index("history_by_line", "history", ["line_ref"], unique=False)
    op.create_index(
        "history_by_set_aside",
        "history",
        ["set_aside_ref"],
        unique=False,
        postgresql_where=sa.text("set_aside_ref IS NOT NULL"),
    )
    op.create_table(
        "lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_on", sa.Date(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("charge_type", sa.Text(), nullable=True),
        sa.Column("amount_due", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("amount_paid", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("paid", sa.Boolean(), nullable=True),
        sa.Column("internal_payment", sa.Boolean(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("transaction_date", sa.Date(), nullable=True),
        sa.Column("date_of_service", sa.Date(), nullable=True),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("refund_of", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("target", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requeued_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("lines_pkey")),
        sa.UniqueConstraint("clinic_id", "payment_id", "line_id", name=op.f("lines_clinic_id_payment_id_line_id_key")),
    )
    op.create_index("lines_by_patient", "lines", ["company_id", "patient_id"], unique=False)
    op.create_index("lines_due", "lines", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "lines_not_through",
        "lines",
        ["status", "reason"],
        unique=False,
        postgresql_where=sa.text("status <> 'Transmission Successful'"),
    )
    op.create_table(
        "patients",
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("company_id", "patient_id", name=op.f("patients_pkey")),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Text(), nullable=True),
        sa.Column("clinic_id", sa.Text(), nullable=True),
        sa.Column("payment_id", sa.Text(), nullable=True),
        sa.Column("line_id", sa.Text(), nullable=True),
        sa.Column("patient_id", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("saved_on", sa.Date(), nullable=True),
        sa.Column("charge_type", sa.Text(), nullable=True),
        sa.Column("amount_paid", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("set_aside_pkey")),
        sa.UniqueConstraint("body_hash", name=op.f("set_aside_body_hash_key")),
    )
    op.create_index("set_aside_by_key", "set_aside", ["clinic_id", "payment_id", "line_id"], unique=False)
    op.create_index(
        "set_aside_due", "set_aside", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "clinics",
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=op.f("clinics_company_id_fkey")),
        sa.PrimaryKeyConstraint("clinic_id", name=op.f("clinics_pkey")),
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("line_ref", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("charge_type", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("date_of_service", sa.Date(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("deposit_date", sa.Date(), nullable=False),
        sa.Column("posting_date", sa.Date(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["line_ref"], ["lines.id"], name=op.f("entries_line_ref_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("entries_pkey")),
        sa.UniqueConstraint("line_ref", "version", "kind", "part", name=op.f("entries_line_ref_version_kind_part_key")),
    )
    op.create_index("entries_by_deposit_date", "entries", ["clinic_id", "deposit_date"], unique=False)
    op.create_index("entries_by_patient", "entries", ["company_id", "patient_id"], unique=False)
    op.create_table(
        "clinic_settings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("integration", sa.Boolean(), nullable=False),
        sa.Column("charge_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.clinic_id"], name=op.f("clinic_settings_clinic_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("clinic_settings_pkey")),
    )
    op.create_index("clinic_settings_by_time", "clinic_settings", ["clinic_id", "since"], unique=False)
