"""Add the pairs of a company and a clinic to users of several companies who are limited to clinics.

An earlier release ignores the pairs. If it changes the clinics of a user, the pairs no longer match the clinics, and
this release ignores them as well.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column("users", sa.Column("clinic_keys", JSONB, nullable=True))
    op.execute(
        "UPDATE users SET clinic_keys = (SELECT jsonb_agg(jsonb_build_array(company_id, clinic_id)) FROM clinics "
        "WHERE company_id = ANY(companies) AND clinic_id = ANY(users.clinics)) "
        "WHERE users.clinics IS NOT NULL AND cardinality(companies) > 1"
    )
