"""Add the companies of users. Users without clinics keep all companies; others get the companies of their clinics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("users", sa.Column("companies", ARRAY(sa.Text), nullable=True))
    op.add_column("users", sa.Column("companies_since", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE users SET companies_since = coalesce((SELECT at FROM audit ORDER BY id DESC LIMIT 1), added_at), "
        "companies = ARRAY(SELECT DISTINCT company_id FROM clinics WHERE clinic_id = ANY(users.clinics) ORDER BY 1) "
        "WHERE clinics IS NOT NULL"
    )
