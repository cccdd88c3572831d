"""Items that another shard asks for once more: those that failed, and those that their own shard is done without."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sql

from inferpoint.bulk import records
from inferpoint.bulk.job import Shard, ShardState
from inferpoint.bulk.tables import SHARDS


def put(connection: sql.Connection, name: str, shard: Shard, places: Sequence[int]) -> None:
    """Make a shard of the items at *places* of *shard*."""
    if not places:
        return
    last = connection.execute(sql.select(sql.func.max(SHARDS.c.number)).where(SHARDS.c.job == name)).scalar_one()
    more = msgspec.structs.replace(shard, number=last + 1, only=tuple(places), done=0, attempt=0, external=None)
    connection.execute(sql.insert(SHARDS).values({**records.of_shard(name, more), "owed": True}))


def numbers(connection: sql.Connection, name: str) -> set[int]:
    """The numbers in the job of the items that are still owed a result."""
    where = (SHARDS.c.job == name, SHARDS.c.owed, SHARDS.c.state != ShardState.DONE.value)
    rows = connection.execute(sql.select(SHARDS.c.first_item, SHARDS.c.only, SHARDS.c.done).where(*where))
    return {first + place for first, only, done in rows for place in msgspec.json.decode(only, type=list[int])[done:]}


def again(shards: Sequence[Shard], failed: Sequence[int]) -> list[Shard]:
    """For each of *shards* that has items which *failed*, in their order, one that is about those alone."""
    shards_again: list[Shard] = []
    at = 0
    for shard in shards:
        begin, end = at, shard.first_item + shard.items
        while at < len(failed) and failed[at] < end:
            at += 1
        if at > begin:
            only = tuple(number - shard.first_item for number in failed[begin:at])
            shards_again.append(msgspec.structs.replace(shard, only=only, done=0, attempt=0, external=None))
    return shards_again
