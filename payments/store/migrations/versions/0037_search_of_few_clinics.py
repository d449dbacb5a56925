"""Let users of few clinics find patients as fast as others.

The function of migration 0033 first found all patients of the company who have the search terms. For each of them, it
then looked for a payment or a charge at one of the clinics. An earlier release calls the new function the same way.
"""

from alembic import op

revision = "0037"
down_revision = "0036"

_FEW, _CHECKED_MAX, _COMPARED_MAX = 500, 5_000, 50_000


def upgrade() -> None:
    op.execute(_FIND_PATIENTS)


# The caller is checked as in migration 0033.
_VISIBLE = """
    IF NOT has_table_privilege(session_user, 'lines', 'SELECT') THEN
        RAISE EXCEPTION 'permission denied to search' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF 'payments_console' IN (session_user, current_setting('role'))
        AND current_setting('payments.companies', true) IS DISTINCT FROM '*' THEN
        companies := ARRAY(
            SELECT unnest(companies) INTERSECT
            SELECT unnest(CAST(nullif(current_setting('payments.companies', true), '') AS text[]))
        );
    END IF;
"""
_WITH_TERMS = """
    SELECT patients.company_id, patients.patient_id FROM patients
    WHERE patient_terms(patients.company_id, patients.patient_id, patients.name)
        @> ARRAY(SELECT own || '\\:' || term FROM unnest(wanted) AS term)
"""
# Up to a limit, each patient with the terms is looked up in the clinics. If the terms are those of many patients, and
# the clinics have few payments and charges, the patients of the clinics are compared instead, as a set.
_FIND_PATIENTS = f"""
CREATE OR REPLACE FUNCTION find_patients(companies text[], clinics text[], wanted text[], most integer)
RETURNS TABLE (company text, patient text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    own text;
    named text[];
BEGIN
    {_VISIBLE}
    FOREACH own IN ARRAY companies LOOP
        IF clinics IS NULL THEN
            RETURN QUERY {_WITH_TERMS} LIMIT most;
            CONTINUE;
        END IF;
        named := ARRAY(SELECT patient_id FROM ({_WITH_TERMS} LIMIT {_CHECKED_MAX}) AS first_ones);
        IF cardinality(named) >= {_FEW} AND (SELECT count(*) FROM (
            (SELECT FROM lines WHERE company_id = own AND clinic_id = ANY (clinics) LIMIT {_CHECKED_MAX})
            UNION ALL
            (SELECT FROM charges WHERE company_id = own AND clinic_id = ANY (clinics) LIMIT {_CHECKED_MAX})
        ) AS rows_of_clinics) < {_CHECKED_MAX} THEN
            RETURN QUERY SELECT found.company_id, found.patient_id
            FROM ({_WITH_TERMS} LIMIT {_COMPARED_MAX}) AS found
            WHERE found.patient_id IN (
                SELECT patient_id FROM lines WHERE company_id = own AND clinic_id = ANY (clinics)
                UNION
                SELECT patient_id FROM charges WHERE company_id = own AND clinic_id = ANY (clinics)
            ) LIMIT most;
        ELSE
            RETURN QUERY SELECT own, each_one FROM unnest(named) AS each_one
            WHERE EXISTS (SELECT FROM lines WHERE lines.company_id = own AND lines.patient_id = each_one
                    AND clinic_id = ANY (clinics))
                OR EXISTS (SELECT FROM charges WHERE charges.company_id = own AND charges.patient_id = each_one
                    AND clinic_id = ANY (clinics))
            LIMIT most;
        END IF;
    END LOOP;
END $$
"""
