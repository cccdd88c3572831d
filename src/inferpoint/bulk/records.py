"""Jobs, shards and parts as rows of the tables, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sql

from inferpoint.bulk.job import Job, JobState, Paid, Pinned, Shard, ShardState, Spec
from inferpoint.bulk.sinks.sink import Part, Receipt


def of_job(job: Job) -> dict[str, Any]:
    """The row of *job*."""
    return {
        "name": job.name,
        "state": job.state.value,
        "spec": json(job.spec),
        "pinned": json(job.pinned),
        "created": job.created,
        "finished": job.finished,
        "reason": job.reason,
    }


def job(row: sql.Row[Any]) -> Job:
    """The job of a row."""
    return Job(
        row.name,
        JobState(row.state),
        msgspec.json.decode(row.spec, type=Spec),
        msgspec.json.decode(row.pinned, type=Pinned),
        row.created,
        row.finished,
        row.reason,
    )


def of_shard(name: str, shard: Shard) -> dict[str, Any]:
    """The row of a shard of the job called *name* that nobody has worked on."""
    return {
        "job": name,
        "number": shard.number,
        "object": shard.object,
        "begin": shard.begin,
        "end": shard.end,
        "first_item": shard.first_item,
        "items": shard.items,
        "only": None if shard.only is None else json(shard.only),
        "state": ShardState.PENDING.value,
        "done": 0,
        "attempt": 0,
    }


def shard(row: Any) -> Shard:
    """The shard of a row."""
    column: Mapping[str, Any] = row._mapping  # noqa: SLF001 - `items` is a method of a row otherwise
    return Shard(
        column["number"],
        column["object"],
        column["begin"],
        column["end"],
        column["first_item"],
        column["items"],
        column["done"],
        column["attempt"],
        _optional(column["only"], tuple[int, ...]),
        _optional(column["external"], dict[str, Any]),
    )


def of_part(name: str, part: Part, items: int, receipt: Receipt, paid: Paid) -> dict[str, Any]:
    """The row of what was written at once, but for whether it counts."""
    return {
        "job": name,
        "shard": part.shard,
        "begin": part.begin,
        "attempt": part.attempt,
        "items": items,
        "rows": receipt.rows,
        "file": receipt.file,
        "digest": receipt.digest,
        "calls": paid.calls,
        "tokens": paid.tokens,
        "nano_usd": paid.nano_usd,
    }


def json(value: Any) -> str:
    """A value as it is kept in a column of text."""
    return msgspec.json.encode(value).decode()


def _optional(text: str | None, kind: Any) -> Any:
    return None if text is None else msgspec.json.decode(text, type=kind)
