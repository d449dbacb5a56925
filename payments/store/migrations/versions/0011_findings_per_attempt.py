"""Make findings unique per attempt: after a requeue, the same version may need a decision again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for table in ("findings", "findings_was"):
        op.add_column(table, sa.Column("attempts", sa.Integer(), nullable=True))
    op.drop_constraint("findings_line_ref_version_reason_key", "findings")
    op.create_index(
        "findings_once",
        "findings",
        ["line_ref", "version", "reason", "attempts", "set_aside_ref"],
        unique=True,
        postgresql_where=sa.text("status <> 'auto_closed'"),
        postgresql_nulls_not_distinct=True,
    )
