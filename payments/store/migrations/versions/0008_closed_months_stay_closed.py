"""Add triggers that refuse changes of closed months, and that share-lock the month of every new ledger entry."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # Inserting an entry share-locks its month until the commit: a close waits for it, or the insert sees the close.
    # Imports and adjustments have locked the month before; this protects against any other writer.
    op.execute(
        """
        CREATE OR REPLACE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE refused record;
        BEGIN
            INSERT INTO company_months (company_id, month)
                SELECT DISTINCT company_id, date_trunc('month', deposit_date)::date FROM added ORDER BY 1, 2
                ON CONFLICT DO NOTHING;
            PERFORM FROM company_months
                WHERE (company_id, month) IN (SELECT company_id, date_trunc('month', deposit_date)::date FROM added)
                ORDER BY company_id, month FOR SHARE;
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
        CREATE FUNCTION refuse_change_of_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a closed month stays as it is: % is refused', TG_OP
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER company_months_stay_closed BEFORE UPDATE OR DELETE ON company_months
        FOR EACH ROW WHEN (OLD.state = 'CLOSED') EXECUTE FUNCTION refuse_change_of_closed_month()
        """
    )
    op.execute(
        """
        CREATE TRIGGER company_months_are_kept BEFORE TRUNCATE ON company_months
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_closed_month()
        """
    )
