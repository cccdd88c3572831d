"""Which shards of a job are in which batch, as it is written down.

Who hands a batch in has its shards until it is made, and they say of which batch they are to be; from then on nobody
has them until somebody collects it. So whatever is killed, the next one knows of every batch that may have been made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sql

from inferpoint.bulk import records
from inferpoint.bulk.job import Shard, ShardState
from inferpoint.bulk.manifest import Manifest
from inferpoint.bulk.tables import SHARDS
from inferpoint.model.batches import PlannedBatch

_NOBODYS = {"owner": None, "until": None}


class Handed(msgspec.Struct, frozen=True):
    """What is left of a batch: its shards that are not done, and the lines that are theirs."""

    batch: PlannedBatch
    shards: tuple[Shard, ...]


class BatchShards:
    """The shards of the job called *name* that are in batches. Methods wait for the manifest, as its own do."""

    def __init__(self, manifest: Manifest, name: str) -> None:
        self._manifest = manifest
        self._name = name

    def hand_over(self, owner: str, parts: Sequence[tuple[Shard, PlannedBatch]]) -> bool:
        """Write down that *owner* is about to hand in its shards as *parts* of a batch; False if one is not its own."""
        with self._transaction("hand in a batch") as connection:
            for shard, part in parts:
                mine = (SHARDS.c.owner == owner, SHARDS.c.attempt == shard.attempt)
                update = sql.update(SHARDS).where(*self._is(shard.number), *mine)
                if not connection.execute(update.values(external=records.json(part))).rowcount:
                    connection.rollback()
                    return False
        return True

    def made(self, name: str, batch_id: str) -> None:
        """Write down that the batch called *name* was made, and its id: nobody has its shards until it is collected."""
        with self._transaction("write down a batch") as connection:
            for number, part in self._parts(connection, name):
                external = records.json(msgspec.structs.replace(part, id=batch_id))
                values = {"state": ShardState.SUBMITTED.value, "external": external, **_NOBODYS}
                connection.execute(sql.update(SHARDS).where(*self._is(number)).values(values))

    def unmade(self, name: str) -> None:
        """Write down that the batch called *name* is none: its shards are anybody's to do."""
        with self._transaction("give up a batch") as connection:
            for number, _ in self._parts(connection, name):
                values = {"state": ShardState.PENDING.value, "external": None, **_NOBODYS}
                connection.execute(sql.update(SHARDS).where(*self._is(number)).values(values))

    def submitted(self) -> list[Handed]:
        """The batches that their provider has, and whose answers nobody is collecting."""
        where = (SHARDS.c.job == self._name, SHARDS.c.state == ShardState.SUBMITTED.value)
        with self._transaction("read the batches") as connection:
            rows = connection.execute(sql.select(SHARDS).where(*where).order_by(SHARDS.c.number)).all()
        batches: dict[str, list[tuple[Shard, PlannedBatch]]] = {}
        for row in rows:
            part = _part(row.external)
            batches.setdefault(part.name, []).append((records.shard(row), part))
        return [_handed(parts) for parts in batches.values()]

    def take(self, handed: Handed, owner: str, until: float) -> Handed | None:
        """The shards of a batch for *owner* to collect until a moment; None where others have them all."""
        taken: list[tuple[Shard, PlannedBatch]] = []
        with self._transaction("collect a batch") as connection:
            for shard in handed.shards:
                free = (*self._is(shard.number), SHARDS.c.state == ShardState.SUBMITTED.value)
                values = {"state": ShardState.LEASED.value, "owner": owner, "until": until}
                update = sql.update(SHARDS).where(*free).values(**values, attempt=SHARDS.c.attempt + 1)
                if connection.execute(update).rowcount:
                    row = connection.execute(sql.select(SHARDS).where(*self._is(shard.number))).one()
                    taken.append((records.shard(row), _part(row.external)))
        return _handed(taken) if taken else None

    def put_back(self, shard: Shard, owner: str) -> None:
        """Leave a shard that *owner* has in its batch, for whoever collects it next."""
        mine = (SHARDS.c.owner == owner, SHARDS.c.attempt == shard.attempt)
        values = {"state": ShardState.SUBMITTED.value, **_NOBODYS}
        with self._transaction("leave a batch") as connection:
            connection.execute(sql.update(SHARDS).where(*self._is(shard.number), *mine).values(values))

    def of(self, name: str) -> Handed | None:
        """What is left of the batch called *name*, whoever has it."""
        with self._transaction("read a batch") as connection:
            numbers = dict(self._parts(connection, name))
            rows = connection.execute(
                sql.select(SHARDS).where(SHARDS.c.job == self._name, SHARDS.c.number.in_(numbers))
            ).all()
        return _handed([(records.shard(row), numbers[row.number]) for row in rows]) if rows else None

    def known(self) -> frozenset[str]:
        """The ids of all batches of all jobs that are written down."""
        with self._transaction("read the batches") as connection:
            every = connection.execute(sql.select(SHARDS.c.external).where(SHARDS.c.external.is_not(None))).scalars()
            return frozenset(_part(external).id for external in every)

    def _parts(self, connection: sql.Connection, name: str) -> list[tuple[int, PlannedBatch]]:
        """The shards of a batch by number, each with its part."""
        where = (SHARDS.c.job == self._name, SHARDS.c.external.is_not(None))
        rows = connection.execute(sql.select(SHARDS.c.number, SHARDS.c.external).where(*where)).all()
        parts = [(number, _part(external)) for number, external in rows]
        return [(number, part) for number, part in parts if part.name == name]

    def _is(self, number: int) -> tuple[sql.ColumnElement[bool], ...]:
        return SHARDS.c.job == self._name, SHARDS.c.number == number

    def _transaction(self, purpose: str) -> Any:
        return self._manifest.transaction(f"{purpose} of [{self._name}]")


def part_of(shard: Shard) -> PlannedBatch | None:
    """The part of a batch that *shard* is, where it is one."""
    return None if shard.external is None else msgspec.convert(shard.external, PlannedBatch, strict=False)


def together(parts: list[PlannedBatch]) -> PlannedBatch:
    """The batch that has all lines of *parts* of it."""
    lines = {number: sizes for part in parts for number, sizes in part.lines.items()}
    return msgspec.structs.replace(parts[0], lines=lines)


def _handed(parts: list[tuple[Shard, PlannedBatch]]) -> Handed:
    return Handed(together([part for _, part in parts]), tuple(shard for shard, _ in parts))


def _part(external: str) -> PlannedBatch:
    return msgspec.json.decode(external, type=PlannedBatch)
