"""Store the company of every row of company data, so that keys can begin with it.

Rows of earlier releases are filled afterwards, in batches (`migrations/backfill.py`). Triggers fill the rows that
processes of the previous release insert meanwhile. `workers.migrate --finish` drops these triggers.

The settings of clinics are moved to a new table. `clinic_settings` itself cannot get a column `company_id`: a query of
the previous release, which joins it with `clinics`, would fail because the column would be ambiguous.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0021"
down_revision = "0020"

_NULLABLE_TABLES = ("findings", "findings_was", "history", "audit", "requeue_runs")


def upgrade() -> None:
    for table in _NULLABLE_TABLES:
        op.add_column(table, sa.Column("company_id", sa.Text(), nullable=True))
    # No row says which company an earlier event id belongs to. '' is no company.
    op.add_column("events", sa.Column("company_id", sa.Text(), nullable=False, server_default=""))
    op.execute(_FILL_FINDINGS_FUNCTION)
    op.execute(_FILL_HISTORY_FUNCTION)
    for table, condition in (
        ("findings", ""),
        ("history", " AND (NEW.line_ref IS NOT NULL OR NEW.set_aside_ref IS NOT NULL)"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_company BEFORE INSERT ON {table} FOR EACH ROW "
            f"WHEN (NEW.company_id IS NULL{condition}) EXECUTE FUNCTION fill_company_of_{table}()"
        )
    # The newest progress of each batch of rows that `backfill.py` fills.
    op.create_table(
        "backfills",
        sa.Column("table_name", sa.Text, primary_key=True),
        sa.Column("position", ARRAY(sa.Text), nullable=False),
        sa.Column("rows_done", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
    )
    _create_settings_changes()


def _create_settings_changes() -> None:
    op.create_index("clinics_of_company", "clinics", ["company_id", "clinic_id"], unique=True)
    op.create_table(
        "settings_changes",
        sa.Column("company_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("clinic_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("integration", sa.Boolean(), nullable=False),
        sa.Column("charge_types", ARRAY(sa.Text()), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("settings_changes_pkey")),
        sa.ForeignKeyConstraint(
            ["company_id", "clinic_id"],
            ["clinics.company_id", "clinics.clinic_id"],
            name=op.f("settings_changes_company_id_clinic_id_fkey"),
        ),
    )
    op.create_index("settings_changes_by_time", "settings_changes", ["company_id", "clinic_id", "since"])
    op.execute(_COPY_SETTINGS_FUNCTIONS)
    # Creating the trigger locks out other writers until the commit, so no row is copied twice or left out.
    for table in ("clinic_settings", "settings_changes"):
        op.execute(
            f"CREATE TRIGGER {table}_copied AFTER INSERT ON {table} FOR EACH ROW "
            f"WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION copy_{table}()"
        )
    op.execute(
        "WITH copied AS MATERIALIZED (SELECT clinics.company_id, clinic_settings.* FROM clinic_settings "
        "JOIN clinics USING (clinic_id)) "
        f"INSERT INTO settings_changes (company_id, {_SETTINGS_COLUMNS}) "
        f"SELECT company_id, {_SETTINGS_COLUMNS} FROM copied ORDER BY id"
    )


_SETTINGS_COLUMNS = "clinic_id, since, integration, charge_types, set_by"
_FILL_FINDINGS_FUNCTION = """
CREATE FUNCTION fill_company_of_findings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.company_id := (SELECT company_id FROM lines WHERE id = NEW.line_ref);
    RETURN NEW;
END $$
"""
_FILL_HISTORY_FUNCTION = """
CREATE FUNCTION fill_company_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.line_ref IS NOT NULL THEN
        NEW.company_id := (SELECT company_id FROM lines WHERE id = NEW.line_ref);
    ELSE
        NEW.company_id := (SELECT company_id FROM set_aside WHERE id = NEW.set_aside_ref);
    END IF;
    RETURN NEW;
END $$
"""
_COPY_SETTINGS_FUNCTIONS = f"""
CREATE FUNCTION copy_clinic_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settings_changes (company_id, {_SETTINGS_COLUMNS})
        SELECT company_id, clinic_id, NEW.since, NEW.integration, NEW.charge_types, NEW.set_by
        FROM clinics WHERE clinic_id = NEW.clinic_id;
    RETURN NULL;
END $$;
CREATE FUNCTION copy_settings_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO clinic_settings ({_SETTINGS_COLUMNS})
        VALUES (NEW.clinic_id, NEW.since, NEW.integration, NEW.charge_types, NEW.set_by);
    RETURN NULL;
END $$
"""
