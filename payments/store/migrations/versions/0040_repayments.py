"""Add refunds that the office pays, payments that the bank takes back, and a company's limit for approvals.

The foreign keys are created while services use the database (`company_keys.py`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

_MOMENT = sa.DateTime(timezone=True)
_DOLLARS = sa.Numeric(12, 2)


def upgrade() -> None:
    op.add_column("companies", sa.Column("refund_limit", _DOLLARS, nullable=False, server_default="0.00"))
    op.create_table(
        "repayments",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", _DOLLARS, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("charge_type", sa.Text, nullable=False),
        sa.Column("date_of_service", sa.Date),
        sa.Column("fee", _DOLLARS),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("line_ref", sa.BigInteger),
        sa.Column("paid_entry_ref", sa.BigInteger),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("requested_at", _MOMENT, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("approved_at", _MOMENT),
        sa.Column("approved_by", sa.Text),
        sa.Column("issued_at", _MOMENT),
        sa.Column("issued_by", sa.Text),
        sa.Column("entry_ref", sa.BigInteger),
        sa.Column("voided_at", _MOMENT),
        sa.Column("voided_by", sa.Text),
        sa.Column("void_reason", sa.Text),
        sa.PrimaryKeyConstraint("company_id", "id"),
        sa.CheckConstraint("num_nonnulls(line_ref, paid_entry_ref) <= 1", name="repayments_target"),
    )
    op.create_index("repayments_by_request", "repayments", ["company_id", "request_key"], unique=True)
    op.create_index("repayments_by_patient", "repayments", ["company_id", "patient_id"])
    op.create_index("repayments_of_entry", "repayments", ["company_id", "entry_ref"], unique=True)
    op.execute(_REFUSE_CHANGE)
    op.execute(
        "CREATE TRIGGER repayments_only_decided BEFORE UPDATE OR DELETE ON repayments "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_repayments()"
    )
    for verb in ("insert", "update"):
        op.execute(
            f"CREATE TRIGGER repayments_moved_{verb} AFTER {verb.upper()} ON repayments "
            "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
        )


# A decision is written once: a column that is not null keeps its value. The request itself never changes, nobody
# approves their own request, and a voided refund is final.
_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change_of_repayments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) @> jsonb_strip_nulls(to_jsonb(OLD))
        AND (NEW.date_of_service, NEW.fee, NEW.line_ref, NEW.paid_entry_ref)
        IS NOT DISTINCT FROM (OLD.date_of_service, OLD.fee, OLD.line_ref, OLD.paid_entry_ref)
        AND NEW.approved_by IS DISTINCT FROM NEW.requested_by AND OLD.voided_at IS NULL
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a refund is only decided: request another one instead of %', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""
