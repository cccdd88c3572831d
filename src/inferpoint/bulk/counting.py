"""How far a job has come, counted from its rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql

from inferpoint.bulk import owed
from inferpoint.bulk.job import Counts, ShardState
from inferpoint.bulk.tables import FAILURES, PARTS, SHARDS


def counted(connection: sql.Connection, name: str) -> Counts:
    """What has become of the items of the job called *name*, and what was paid for them, also to no avail."""
    planned, begun = connection.execute(
        sql.select(_sum(SHARDS.c["items"]), _sum(SHARDS.c.done)).where(SHARDS.c.job == name, SHARDS.c.only.is_(None))
    ).one()
    states = connection.execute(
        sql.select(SHARDS.c.state, sql.func.count()).where(SHARDS.c.job == name).group_by(SHARDS.c.state)
    )
    number = {state: int(count) for state, count in states}
    rows = sql.case((PARTS.c.counts, PARTS.c.rows), else_=0)
    paid = connection.execute(
        sql.select(_sum(rows), _sum(PARTS.c.calls), _sum(PARTS.c.tokens), sql.func.sum(PARTS.c.nano_usd)).where(
            PARTS.c.job == name
        )
    ).one()
    failures = sql.select(sql.func.count()).select_from(FAILURES).where(FAILURES.c.job == name)
    failed = connection.execute(failures).scalar_one()
    return Counts(
        planned=int(planned),
        done=int(begun) - failed - len(owed.numbers(connection, name)),
        failed=failed,
        rows=int(paid[0]),
        calls=int(paid[1]),
        tokens=int(paid[2]),
        nano_usd=None if paid[3] is None else int(paid[3]),
        shards=sum(number.values()),
        shards_done=number.get(ShardState.DONE.value, 0),
    )


def _sum(column: sql.ColumnElement[Any]) -> sql.ColumnElement[Any]:
    return sql.func.coalesce(sql.func.sum(column), 0)
