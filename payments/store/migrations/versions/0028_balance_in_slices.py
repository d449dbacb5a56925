"""Let a nightly job record its progress, so that it continues where it stopped.

An earlier release records only the day of a complete run. This release reads that day as well.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("job_runs", sa.Column("running_day", sa.Date))
    op.add_column("job_runs", sa.Column("last_company", sa.Text))
    for column in ("day", "finished_at"):
        op.alter_column("job_runs", column, nullable=True)
