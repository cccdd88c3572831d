"""The tables of jobs: the same in a file of SQLite's, for one machine, and in PostgreSQL, for several."""

from __future__ import annotations

import sqlalchemy as sql

METADATA = sql.MetaData()
JOBS = sql.Table(
    "bulk_jobs",
    METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("spec", sql.Text, nullable=False),
    sql.Column("pinned", sql.Text, nullable=False),
    sql.Column("created", sql.Float, nullable=False),
    sql.Column("finished", sql.Float),
    sql.Column("reason", sql.Text),
)


def _job() -> sql.Column[str]:
    return sql.Column("job", sql.Text, sql.ForeignKey(JOBS.c.name, ondelete="CASCADE"), primary_key=True)


SHARDS = sql.Table(
    "bulk_shards",
    METADATA,
    _job(),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("object", sql.Text, nullable=False),
    sql.Column("begin", sql.BigInteger, nullable=False, quote=True),
    sql.Column("end", sql.BigInteger, nullable=False, quote=True),
    sql.Column("first_item", sql.BigInteger, nullable=False),
    sql.Column("items", sql.Integer, nullable=False),
    sql.Column("only", sql.Text),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("done", sql.Integer, nullable=False, default=0),
    sql.Column("attempt", sql.Integer, nullable=False, default=0),
    sql.Column("owner", sql.Text),
    sql.Column("until", sql.Float),
    sql.Column("external", sql.Text),
    sql.Column("owed", sql.Boolean, nullable=False, default=False),
    sql.Index("bulk_shards_by_state", "job", "state"),
)
# What was paid for, a row for each part that was written: never changed. One that came too late does not count.
PARTS = sql.Table(
    "bulk_parts",
    METADATA,
    _job(),
    sql.Column("shard", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("begin", sql.Integer, primary_key=True, autoincrement=False, quote=True),
    sql.Column("attempt", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("items", sql.Integer, nullable=False),
    sql.Column("rows", sql.Integer, nullable=False),
    sql.Column("file", sql.Text),
    sql.Column("digest", sql.Text),
    sql.Column("calls", sql.Integer, nullable=False),
    sql.Column("tokens", sql.BigInteger, nullable=False),
    sql.Column("nano_usd", sql.BigInteger),
    sql.Column("counts", sql.Boolean, nullable=False),
)
FAILURES = sql.Table(
    "bulk_failures",
    METADATA,
    _job(),
    sql.Column("item", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("id", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("message", sql.Text, nullable=False),
)
