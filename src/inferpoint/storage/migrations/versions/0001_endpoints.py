"""The endpoints."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """One row an endpoint; its version is never used again."""
    op.create_table(
        "endpoints",
        sql.Column("inference_id", sql.Text, primary_key=True),
        sql.Column("task_type", sql.Text, nullable=False),
        sql.Column("service", sql.Text, nullable=False),
        sql.Column("settings", sql.JSON, nullable=False),
        sql.Column("secrets", sql.JSON, nullable=False),
        sql.Column("options", sql.JSON, nullable=False),
        sql.Column("chunking", sql.JSON),
        sql.Column("dimensions", sql.Integer),
        sql.Column("version", sql.Text, nullable=False, unique=True),
    )
