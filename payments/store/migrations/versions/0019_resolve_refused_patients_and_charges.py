"""Add the columns that show whether a rejected patient or charge has since been saved again.

They are null in existing rows. The columns `event_type` and `charge_id` of a dead letter are filled when it is requeued
or rejected again.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_MOMENT = sa.DateTime(timezone=True)
_ADDED_COLUMNS: dict[str, dict[str, Any]] = {
    "patients": {"saved_at": _MOMENT, "changed_at": _MOMENT},
    "charges": {"saved_at": _MOMENT},
    "charges_was": {"saved_at": _MOMENT},
    "set_aside": {"event_type": sa.Text(), "charge_id": sa.Text()},
    "set_aside_was": {"event_type": sa.Text(), "charge_id": sa.Text()},
}


def upgrade() -> None:
    for table, columns in _ADDED_COLUMNS.items():
        for name, column_type in columns.items():
            op.add_column(table, sa.Column(name, column_type, nullable=True))
