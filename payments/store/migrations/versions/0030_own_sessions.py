"""Record the use of sessions and temporary passwords, and ignore case when names of users are compared.

If the names of several users differ only by case, one of these users can log in with any case: the one who was added
first among those who are not disabled. The others must use the exact spelling of their name.

An earlier release neither records the use of sessions nor asks for a new password.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column("sessions", sa.Column("address", sa.Text))
    for column in ("must_change_password", "is_namesake"):
        op.add_column("users", sa.Column(column, sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE users SET is_namesake = true FROM ("
        "SELECT name, row_number() OVER (PARTITION BY lower(name) ORDER BY disabled_at IS NOT NULL, added_at, name) "
        "AS place FROM users) AS placed WHERE placed.name = users.name AND place > 1"
    )
    folded, is_compared = [sa.text("lower(name)")], sa.text("NOT is_namesake")
    op.create_index("users_by_folded_name", "users", folded, unique=True, postgresql_where=is_compared)
