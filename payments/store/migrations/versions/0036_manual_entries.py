"""Add manual entries, their links to payments, and allocations of entries that belong to no payment.

The foreign keys, and the index and the check of `allocations`, are created while services use the database
(`company_keys.py`). A distribution of an earlier release fails for accounts with allocations of manual entries; it
postpones them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "manual_entries",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("entry_ref", sa.BigInteger, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("company_id", "entry_ref"),
    )
    op.create_index("manual_entries_by_request", "manual_entries", ["company_id", "request_key"], unique=True)
    op.create_table(
        "entry_links",
        sa.Column("company_id", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("entry_ref", sa.BigInteger, nullable=False),
        sa.Column("line_ref", sa.BigInteger, nullable=False),
        sa.Column("finding_ref", sa.BigInteger),
        sa.Column("linked_at", _MOMENT, nullable=False),
        sa.Column("linked_by", sa.Text, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_by", sa.Text),
        sa.Column("end_reason", sa.Text),
        sa.PrimaryKeyConstraint("company_id", "id"),
    )
    is_active = sa.text("ended_at IS NULL")
    columns = ["company_id", "entry_ref"]
    op.create_index("entry_links_of_entry", "entry_links", columns, unique=True, postgresql_where=is_active)
    op.create_index("entry_links_of_line", "entry_links", ["company_id", "line_ref"])
    op.add_column("allocations", sa.Column("entry_ref", sa.BigInteger))
    op.alter_column("allocations", "line_ref", nullable=True)
    op.execute(
        "CREATE TRIGGER manual_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON manual_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()"
    )
    op.execute(_REFUSE_CHANGE_OF_LINKS)
    op.execute(
        "CREATE TRIGGER entry_links_only_end BEFORE UPDATE OR DELETE ON entry_links "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_entry_links()"
    )
    for table, verbs in (("manual_entries", ("insert",)), ("entry_links", ("insert", "update"))):
        for verb in verbs:
            op.execute(
                f"CREATE TRIGGER {table}_moved_{verb} AFTER {verb.upper()} ON {table} REFERENCING NEW TABLE AS changed "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
            )


_REFUSE_CHANGE_OF_LINKS = """
CREATE FUNCTION refuse_change_of_entry_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
        AND (NEW.company_id, NEW.id, NEW.entry_ref, NEW.line_ref, NEW.finding_ref, NEW.linked_at, NEW.linked_by)
        IS NOT DISTINCT FROM
        (OLD.company_id, OLD.id, OLD.entry_ref, OLD.line_ref, OLD.finding_ref, OLD.linked_at, OLD.linked_by)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a link of an entry is only ended: add another link instead of %', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""
