"""Record whether the time zone of a company was chosen, or is a default."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("companies", sa.Column("timezone_chosen", sa.Boolean(), server_default=sa.false(), nullable=False))
    # UTC was the default, so nobody knows whether it was chosen. Names that are no place count as not chosen.
    op.execute(
        "UPDATE companies SET timezone_chosen = true "
        "WHERE timezone NOT IN ('UTC', 'localtime', 'Factory', 'posixrules')"
    )
    op.execute("UPDATE companies SET timezone = 'UTC' WHERE timezone IN ('localtime', 'Factory', 'posixrules')")
