"""Add the functions that the search uses.

`company_keys.py` declares the indexes of the search, which are created while processes work. The functions need no
extension: in some databases, only an administrator could install `pg_trgm`.
"""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    for function in (
        _SEARCH_TEXT_FUNCTION,
        _PATIENT_TERMS_FUNCTION,
        _FIND_PATIENTS_FUNCTION,
        _LINES_OF_AMOUNT_FUNCTION,
    ):
        op.execute(function)


# Lower case, without accents and apostrophes; other punctuation becomes a blank. The functions of indexes name their
# schema, because pg_restore sets no search path.
_SEARCH_TEXT_FUNCTION = r"""
CREATE FUNCTION search_text(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(
        translate(
            regexp_replace(lower(normalize(value, NFKD)), E'[\u0300-\u036f\u2019'']', '', 'g'),
            E'.,;\:-_/\\()[]"#&+\t\n', repeat(' ', 18)
        ), ' +', ' ', 'g'))
$$
"""
# The words of a patient's name and id as sequences of three characters, with two blanks before each word and one after
# it, as in pg_trgm. The company is part of each term, so a search reads the terms of its own companies.
_PATIENT_TERMS_FUNCTION = r"""
CREATE FUNCTION patient_terms(company_id text, patient_id text, name text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT company_id || '\:' || substr(padded, at, 3))
    FROM string_to_table(public.search_text(concat_ws(' ', name, patient_id)), ' ') AS word,
        LATERAL (SELECT '  ' || word || ' ' AS padded) AS shown, generate_series(1, length(padded) - 2) AS at
$$
"""
# Row-level security keeps the console from using an index for an operator that is not leakproof, such as those of
# arrays and amounts. These functions run as the owner of the tables, who is not subject to it. They return keys of rows
# only, and only of companies that the caller may see; the query that reads the rows is subject to the policies again.
_CHECK_MAY_READ = """
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
_OWNER_OPTIONS = """
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
"""
# `wanted` are the terms without the company. With `clinics`, the patient has a payment or a charge at one of them.
_FIND_PATIENTS_FUNCTION = f"""
CREATE FUNCTION find_patients(companies text[], clinics text[], wanted text[], most integer)
RETURNS TABLE (company text, patient text) {_OWNER_OPTIONS} AS $$
DECLARE own text;
BEGIN
    {_CHECK_MAY_READ}
    FOREACH own IN ARRAY companies LOOP
        RETURN QUERY SELECT patients.company_id, patients.patient_id FROM patients
        WHERE patient_terms(patients.company_id, patients.patient_id, patients.name)
                @> ARRAY(SELECT own || '\\:' || term FROM unnest(wanted) AS term)
            AND (clinics IS NULL
                OR EXISTS (SELECT FROM lines WHERE lines.company_id = own AND lines.patient_id = patients.patient_id
                    AND clinic_id = ANY (clinics))
                OR EXISTS (SELECT FROM charges WHERE charges.company_id = own
                    AND charges.patient_id = patients.patient_id AND clinic_id = ANY (clinics)))
        LIMIT most;
    END LOOP;
END $$
"""
# The newest lines of an amount in each company.
_LINES_OF_AMOUNT_FUNCTION = f"""
CREATE FUNCTION lines_of_amount(companies text[], clinics text[], wanted numeric, most integer)
RETURNS TABLE (company text, line_id bigint) {_OWNER_OPTIONS} AS $$
DECLARE own text;
BEGIN
    {_CHECK_MAY_READ}
    FOREACH own IN ARRAY companies LOOP
        RETURN QUERY SELECT lines.company_id, lines.id FROM lines
        WHERE lines.company_id = own AND amount_paid = wanted AND NOT deleted
            AND (clinics IS NULL OR clinic_id = ANY (clinics))
        ORDER BY lines.id DESC LIMIT most;
    END LOOP;
END $$
"""
