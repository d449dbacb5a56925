"""Add triggers that refuse changes of entries, and new entries with a deposit date in a closed month."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_entries() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'entries are append-only: post a correction instead of % ', TG_OP
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()
        """
    )
    # A statement-level trigger: it reads the months once, regardless of the number of entries.
    op.execute(
        """
        CREATE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE refused record;
        BEGIN
            SELECT added.company_id, added.deposit_date INTO refused
            FROM added JOIN company_months AS closed
                ON closed.company_id = added.company_id
                AND closed.month = date_trunc('month', added.deposit_date)::date
            WHERE closed.state = 'CLOSED'
            LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'deposit date %: the month is closed for company %',
                    refused.deposit_date, refused.company_id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER entries_closed_month AFTER INSERT ON entries
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_month()
        """
    )
