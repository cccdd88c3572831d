"""Other names of endpoints."""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The rows that are there have none."""
    op.add_column("endpoints", sql.Column("aliases", sql.JSON, nullable=False, server_default="[]"))
