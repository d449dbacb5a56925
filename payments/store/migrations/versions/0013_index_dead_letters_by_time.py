"""Index open dead letters by their position on the Claims Feed."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX IF NOT EXISTS set_aside_newest ON set_aside (coalesce(saved_at, received_at), id) "
        "WHERE closed_at IS NULL"
    )
