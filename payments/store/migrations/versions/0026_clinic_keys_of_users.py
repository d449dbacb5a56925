"""Add `users.clinic_keys`: the (company, clinic) pairs of users of several companies who are limited to clinics.

Earlier releases do not maintain the column. If one of them changes `clinics` of a user, the pairs no longer match,
and this release ignores them.
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
