"""Store the outcome of requeue runs, the results of nightly jobs, and the task of each import, for operators.

An earlier release writes none of it. A run that an earlier release started has no outcome, and may stop when its
console ends. The back office of this release then resumes the run.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("requeue_runs", sa.Column("finished_at", _MOMENT))
    op.add_column("requeue_runs", sa.Column("outcome", JSONB))
    op.create_index(
        "requeue_runs_active",
        "requeue_runs",
        ["id"],
        postgresql_where="state = 'running' OR finished_at IS NOT NULL AND outcome IS NULL",
    )
    op.create_table(
        "requeue_items",
        sa.Column("company_id", sa.Text),
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("line_ref", sa.BigInteger),
        sa.Column("set_aside_ref", sa.BigInteger),
    )
    op.create_index("requeue_items_by_run", "requeue_items", ["run_id"])
    op.create_table(
        "nightly_results",
        sa.Column("company_id", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("examined", sa.BigInteger, nullable=False),
        sa.Column("found", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.Numeric(18, 2), nullable=False),
    )
    op.create_table(
        "import_tasks",
        sa.Column("at", _MOMENT, primary_key=True),
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, nullable=False),
    )
    op.create_index("import_tasks_by_task", "import_tasks", ["task_id"])
