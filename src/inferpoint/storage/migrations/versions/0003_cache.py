"""Caches of endpoints."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The rows that are there have none of their own."""
    op.add_column("endpoints", sql.Column("cache", sql.JSON))
