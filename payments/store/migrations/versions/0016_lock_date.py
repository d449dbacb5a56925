"""Count every month up to a company's latest closed month as closed (rule D7)."""

from alembic import op

from payments.store.db.advisory_locks import AdvisoryLock

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for name, state in (("months_closed_through", "CLOSED"), ("months_closing_through", "CLOSING")):
        op.execute(
            f"CREATE FUNCTION {name}(company text) RETURNS date LANGUAGE sql STABLE AS $$ "
            f"SELECT max(month) FROM company_months WHERE company_id = company AND state = '{state}' $$"
        )
    # A close waits for transactions that add a month, because it cannot lock a row that it does not see yet.
    op.execute(
        f"""
        CREATE FUNCTION lock_month_rows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared({AdvisoryLock.MONTH_ROWS:d}, hashtext(NEW.company_id));
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER company_months_added BEFORE INSERT ON company_months "
        "FOR EACH ROW EXECUTE FUNCTION lock_month_rows()"
    )
    op.execute(_REFUSE_CLOSED_MONTH_FUNCTION)


# Each statement sees what was committed before it, so the last one sees a close that had the months locked. Entries of
# a month that is CLOSING are part of its totals; entries of a month before it are refused.
_REFUSE_CLOSED_MONTH_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE refused record;
BEGIN
    INSERT INTO company_months (company_id, month)
        SELECT DISTINCT company_id, date_trunc('month', deposit_date)::date FROM added
        WHERE NOT EXISTS (
            SELECT FROM company_months AS present
            WHERE present.company_id = added.company_id
                AND present.month = date_trunc('month', added.deposit_date)::date)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    PERFORM FROM company_months
        WHERE (company_id, month) IN (SELECT company_id, date_trunc('month', deposit_date)::date FROM added)
        ORDER BY company_id, month FOR SHARE;
    -- MATERIALIZED: otherwise the functions are called for each added row.
    WITH open_from AS MATERIALIZED (
        SELECT company_id, greatest(
            months_closed_through(company_id) + interval '1 month', months_closing_through(company_id)) AS first_day
        FROM (SELECT DISTINCT company_id FROM added) AS companies
    )
    SELECT added.company_id, added.deposit_date INTO refused
        FROM added JOIN open_from USING (company_id)
        WHERE added.deposit_date < open_from.first_day
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'deposit date %: the month is closed for company %', refused.deposit_date, refused.company_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$
"""
