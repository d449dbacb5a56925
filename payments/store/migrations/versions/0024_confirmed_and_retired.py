"""Record who confirmed or retired a company or a clinic.

If the new columns are null, a clinic with settings and a company with changed settings still count as confirmed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    for table in ("companies", "clinics"):
        for action in ("confirmed", "retired"):
            op.add_column(table, sa.Column(f"{action}_at", sa.DateTime(timezone=True)))
            op.add_column(table, sa.Column(f"{action}_by", sa.Text))
