"""Add the work queue of Billing Exceptions: owners, undone decisions, a service level, and notes.

An earlier release does not write the new columns. An exception that it decides can be undone too: the entries of its
acceptance are found by their time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table in ("findings", "findings_was"):
        op.add_column(table, sa.Column("owner", sa.Text))
        op.add_column(table, sa.Column("undone_at", _MOMENT))
        op.add_column(table, sa.Column("settled_notes_before", sa.LargeBinary))
    op.add_column("companies", sa.Column("exception_days", sa.Integer, nullable=False, server_default="5"))
    op.add_column("history", sa.Column("finding_ref", sa.BigInteger))
    op.add_column("entries", sa.Column("finding_ref", sa.BigInteger))
    op.add_column("entries", sa.Column("reverses", sa.BigInteger))
    op.add_column("entries", sa.Column("reason", sa.Text))
    op.create_table(
        "notes",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("line_ref", sa.BigInteger),
        sa.Column("finding_ref", sa.BigInteger),
        sa.Column("patient_id", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("written_at", _MOMENT, nullable=False),
        sa.Column("written_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "id"),
    )
    for column, subject in (("line_ref", "line"), ("patient_id", "patient")):
        is_given = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"notes_of_{subject}", "notes", ["company_id", column], postgresql_where=is_given)
    op.execute(
        "CREATE TRIGGER notes_moved_insert AFTER INSERT ON notes "
        "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
    )
