"""Add a trigger that keeps the stored company of a dead letter while dead letters are unique by body alone.

Two releases may read different companies from the same body; the company that was stored first remains.
`workers.migrate --finish` drops the trigger.
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    # Roles of the previous release have no rights on the table that 0021 added, until these are granted again.
    for function in ("copy_clinic_settings", "copy_settings_changes"):
        op.execute(f"ALTER FUNCTION {function}() SECURITY DEFINER SET search_path = public, pg_temp")
    op.execute(
        """
        CREATE FUNCTION fill_company_of_set_aside() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE stored record;
        BEGIN
            SELECT company_id INTO stored FROM set_aside WHERE body_hash = NEW.body_hash;
            IF FOUND THEN
                NEW.company_id := stored.company_id;
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER set_aside_company BEFORE INSERT ON set_aside "
        "FOR EACH ROW EXECUTE FUNCTION fill_company_of_set_aside()"
    )
