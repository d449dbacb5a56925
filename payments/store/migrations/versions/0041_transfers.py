"""Add transfers of money between accounts.

The foreign keys are created while services use the database (`company_keys.py`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.create_table(
        "transfers",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text, nullable=False),
        sa.Column("from_patient_id", sa.Text, nullable=False),
        sa.Column("to_patient_id", sa.Text, nullable=False),
        sa.Column("line_ref", sa.BigInteger),
        sa.Column("moved_entry_ref", sa.BigInteger),
        sa.Column("from_entry_ref", sa.BigInteger, nullable=False),
        sa.Column("to_entry_ref", sa.BigInteger, nullable=False),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "id"),
        sa.CheckConstraint("num_nonnulls(line_ref, moved_entry_ref) <= 1", name="transfers_source"),
    )
    op.create_index("transfers_by_request", "transfers", ["company_id", "request_key"], unique=True)
    op.create_index("transfers_from_patient", "transfers", ["company_id", "from_patient_id"])
    op.create_index("transfers_to_patient", "transfers", ["company_id", "to_patient_id"])
    op.create_index("transfers_of_from_entry", "transfers", ["company_id", "from_entry_ref"], unique=True)
    op.create_index("transfers_of_to_entry", "transfers", ["company_id", "to_entry_ref"], unique=True)
    op.execute(
        "CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()"
    )
    op.execute(
        "CREATE TRIGGER transfers_moved_insert AFTER INSERT ON transfers REFERENCING NEW TABLE AS changed "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
    )
