"""Record the state of a company's move to another installation, and refuse changes of a company that is not here.

A company is not here if it has left or is still arriving. Triggers refuse changes of its rows. They run once per
statement, and find the company by the partial index `companies_moved`. Another trigger refuses changes of a company
that has left.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_TABLES_WITH_INSERTS = ("entries", "findings", "company_months", "settings_changes", "allocations")
_TABLES_WITH_UPDATES = ("findings", "company_months")


def upgrade() -> None:
    for column in ("move_state", "moved_by"):
        op.add_column("companies", sa.Column(column, sa.Text))
    op.add_column("companies", sa.Column("move_id", sa.Uuid))
    op.add_column("companies", sa.Column("moved_at", sa.DateTime(timezone=True)))
    is_moved = sa.text("move_state IN ('left', 'arriving')")
    op.create_index("companies_moved", "companies", ["company_id"], postgresql_where=is_moved)
    op.execute(_REFUSE_ROWS_FUNCTION)
    for event, tables in (("INSERT", _TABLES_WITH_INSERTS), ("UPDATE", _TABLES_WITH_UPDATES)):
        for table in tables:
            op.execute(
                f"CREATE TRIGGER {table}_moved_{event.lower()} AFTER {event} ON {table} "
                "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_moved_company()"
            )
    op.execute(_REFUSE_COMPANY_FUNCTION)
    op.execute(
        "CREATE TRIGGER companies_left BEFORE UPDATE ON companies FOR EACH ROW "
        "WHEN (OLD.move_state = 'left' AND NEW.move_state = 'left') EXECUTE FUNCTION refuse_change_of_left_company()"
    )


# SECURITY DEFINER: it sees every company, whatever the session may see.
_REFUSE_ROWS_FUNCTION = """
CREATE FUNCTION refuse_change_of_moved_company() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE moved text;
BEGIN
    SELECT company_id INTO moved FROM companies
        WHERE move_state IN ('left', 'arriving') AND company_id IN (SELECT company_id FROM changed) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'company % has moved to another installation: its rows here do not change', moved
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$
"""
_REFUSE_COMPANY_FUNCTION = """
CREATE FUNCTION refuse_change_of_left_company() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'company % has moved to another installation: its rows here do not change', OLD.company_id
        USING ERRCODE = 'restrict_violation';
END $$
"""
