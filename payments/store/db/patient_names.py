"""The names of the patients in the rows of a report, joined through the primary key of `patients`.

Earlier names are not stored, so a report as of an earlier moment shows the present name.
"""


def join_names(company: str, patient: str) -> str:
    """Return the join that adds the column `patient_name` to the rows of a query.

    `company` and `patient` are SQL expressions of the rows. The name is null if the EMR has not sent it. Each name is
    found through the index, whatever PostgreSQL knows about the tables: OFFSET prevents a plan that reads all patients.
    """
    return (
        "LEFT JOIN LATERAL (SELECT name AS patient_name FROM patients "
        f"WHERE patients.company_id = {company} AND patients.patient_id = {patient} OFFSET 0) AS named ON true"
    )
