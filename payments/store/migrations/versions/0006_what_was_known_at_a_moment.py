"""What was known at a moment: before a row changes, it is kept as it was, with when that ended."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_CHANGING = {
    "lines": "id",
    "set_aside": "id",
    "findings": "id",
    "charges": "clinic_id, charge_id",
}


def upgrade() -> None:
    for table, key in _CHANGING.items():
        op.add_column(table, sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        # `until` comes first, so that a column that is added to both tables later is the last of both.
        op.execute(f"CREATE TABLE {table}_was (until timestamptz NOT NULL, LIKE {table})")
        op.create_index(f"{table}_was_until", f"{table}_was", ["until"])
        _keep(table, key)
    op.add_column("patients", sa.Column("named_at", sa.DateTime(timezone=True), nullable=True))


def _keep(table: str, key: str) -> None:
    # One look a statement, whatever the number of rows that it changes. What was changed twice in one moment was at no
    # moment what it was in between.
    op.execute(
        f"""
        CREATE FUNCTION keep_{table}_as_they_were() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {table}_was
                SELECT changed.changed_at, was.* FROM was JOIN changed USING ({key})
                WHERE changed.changed_at IS DISTINCT FROM was.changed_at;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        f"""
        CREATE TRIGGER {table}_as_they_were AFTER UPDATE ON {table}
        REFERENCING OLD TABLE AS was NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION keep_{table}_as_they_were()
        """
    )
