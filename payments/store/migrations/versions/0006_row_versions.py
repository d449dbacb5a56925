"""Add row versions: when a row is updated, triggers store its earlier version with the end of its validity."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KEY_BY_TABLE = {
    "lines": "id",
    "set_aside": "id",
    "findings": "id",
    "charges": "clinic_id, charge_id",
}


def upgrade() -> None:
    for table, key in _KEY_BY_TABLE.items():
        op.add_column(table, sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        # `until` comes first, so that a later migration can append a column to both tables.
        op.execute(f"CREATE TABLE {table}_was (until timestamptz NOT NULL, LIKE {table})")
        op.create_index(f"{table}_was_until", f"{table}_was", ["until"])
        _store_versions(table, key)
    op.add_column("patients", sa.Column("named_at", sa.DateTime(timezone=True), nullable=True))


def _store_versions(table: str, key: str) -> None:
    # A statement-level trigger: one INSERT, regardless of the number of rows. If a row changes twice at one moment, the
    # version in between was never valid and is not stored.
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
