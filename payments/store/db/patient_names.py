"""Add the patients' names to the rows of a report.

Earlier names are not stored. A report as of an earlier moment shows the current names.
"""


def join_names(table: str, company: str = "company_id", patient: str = "patient_id") -> str:
    """Return the join that adds the column `patient_name` to the rows of a query.

    `company` and `patient` are the columns of `table` that hold the patient's key. The name is null if the EMR has not
    sent it. OFFSET makes PostgreSQL look up each name in the primary key. Otherwise it might read all patients.
    """
    is_patient = f"patients.company_id = {table}.{company} AND patients.patient_id = {table}.{patient}"
    named = f"SELECT name AS patient_name FROM patients WHERE {is_patient} OFFSET 0"
    return f"LEFT JOIN LATERAL ({named}) AS named ON true"
