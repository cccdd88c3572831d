"""What is written down of jobs: their shards, who has them, what was paid for, and the items that failed.

A transaction is whole or not there. With SQLite it is on the disk when it ends (`synchronous=FULL`).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from inferpoint.bulk import owed, records
from inferpoint.bulk.counting import counted
from inferpoint.bulk.database import database
from inferpoint.bulk.job import Counts, Failure, FailureKind, Job, JobState, Paid, Pinned, Shard, ShardState, Spec
from inferpoint.bulk.sinks.sink import Part, Receipt
from inferpoint.bulk.tables import FAILURES, JOBS, METADATA, PARTS, SHARDS
from inferpoint.errors import InferenceError, Kind

_MANY = 1000  # rows of one statement


class Outcome(msgspec.Struct, frozen=True):
    """What became of the next `items` of a shard: what was written, those that failed, what was paid.

    `owed` are the places in the shard of those that are to be asked for once more, as a shard of their own.
    """

    items: int
    receipt: Receipt
    failures: Sequence[Failure]
    paid: Paid
    owed: Sequence[int] = ()


class Manifest:
    """The jobs in one database. Methods wait for it, and are called from threads; what prevents them is `INTERNAL`."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine

    def prepare(self) -> None:
        """Make the tables that are not there."""
        with self.transaction("open the jobs") as connection:
            METADATA.create_all(connection)

    def add(self, job: Job, shards: Sequence[Shard]) -> bool:
        """Write a new job down with all its shards; False when there is one of its name."""
        rows = [records.of_shard(job.name, shard) for shard in shards]
        with self.transaction(f"write the job [{job.name}]") as connection:
            try:
                connection.execute(sql.insert(JOBS).values(records.of_job(job)))
            except IntegrityError:
                return False
            for begin in range(0, len(rows), _MANY):
                connection.execute(sql.insert(SHARDS), rows[begin : begin + _MANY])
            return True

    def find(self, name: str) -> Job | None:
        """The job called *name*."""
        with self.transaction(f"read the job [{name}]") as connection:
            row = connection.execute(_job(name)).first()
        return None if row is None else records.job(row)

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        with self.transaction("read the jobs") as connection:
            rows = connection.execute(sql.select(JOBS).order_by(JOBS.c.created.desc(), JOBS.c.name)).all()
        return [records.job(row) for row in rows]

    def in_state(self, state: JobState) -> list[str]:
        """The names of the jobs that are in *state*, the oldest first."""
        select = sql.select(JOBS.c.name).where(JOBS.c.state == state.value).order_by(JOBS.c.created, JOBS.c.name)
        with self.transaction("read the jobs") as connection:
            return list(connection.execute(select).scalars())

    def remove(self, name: str) -> bool:
        """Forget a job with all that is written of it; what its sink holds stays there."""
        with self.transaction(f"delete the job [{name}]") as connection:
            for table in (FAILURES, PARTS, SHARDS):
                connection.execute(sql.delete(table).where(table.c.job == name))
            return connection.execute(sql.delete(JOBS).where(JOBS.c.name == name)).rowcount > 0

    def change(
        self,
        name: str,
        state: JobState,
        *,
        of: Sequence[JobState],
        reason: str | None = None,
        at: float | None = None,
        spec: Spec | None = None,
    ) -> bool:
        """Give a job another state, if its own is one *of* some; *at* is when it ended, where it has.

        With a *spec* only a job is changed that is still to do what that says.
        """
        where = [JOBS.c.name == name, JOBS.c.state.in_([before.value for before in of])]
        if spec is not None:
            where.append(JOBS.c.spec == records.json(spec))
        values = {"state": state.value, "reason": reason, "finished": at}
        with self.transaction(f"change the job [{name}]") as connection:
            return connection.execute(sql.update(JOBS).where(*where).values(values)).rowcount > 0

    def respecify(self, name: str, spec: Spec, pinned: Pinned) -> None:
        """Have a job do what *spec* says from now on, relying on what is *pinned*."""
        values = {"spec": records.json(spec), "pinned": records.json(pinned)}
        with self.transaction(f"change the job [{name}]") as connection:
            connection.execute(sql.update(JOBS).where(JOBS.c.name == name).values(values))

    def claim(self, name: str, owner: str, now: float, seconds: float, number: int | None = None) -> Shard | None:
        """A shard that nobody has, or whose owner was not heard of in time, for *owner* and so many seconds.

        The first of all that are free, or the one of that *number*; None when there is none.
        """
        free = sql.or_(
            SHARDS.c.state == ShardState.PENDING.value,
            sql.and_(SHARDS.c.state == ShardState.LEASED.value, SHARDS.c.until < now, SHARDS.c.owner != owner),
        )
        running = sql.exists().where(JOBS.c.name == name, JOBS.c.state == JobState.RUNNING.value)
        which = sql.true() if number is None else SHARDS.c.number == number
        first = (
            sql.select(SHARDS)
            .where(SHARDS.c.job == name, free, running, which)
            .order_by(SHARDS.c.number)
            .limit(1)
            .with_for_update(skip_locked=True, of=SHARDS)
        )
        with self.transaction(f"claim a shard of [{name}]") as connection:
            row = connection.execute(first).first()
            if row is None:
                return None
            attempt = row.attempt + 1
            values = {"state": ShardState.LEASED.value, "owner": owner, "until": now + seconds, "attempt": attempt}
            connection.execute(sql.update(SHARDS).where(*_is(name, row.number)).values(values))
        return msgspec.structs.replace(records.shard(row), attempt=attempt)

    def renew(self, name: str, owner: str, until: float) -> int:
        """Keep the shards of *owner* until a later moment; how many it has."""
        with self.transaction(f"renew the leases of [{name}]") as connection:
            return connection.execute(sql.update(SHARDS).where(*_of(name, owner)).values(until=until)).rowcount

    def release(self, name: str, owner: str) -> int:
        """Give back the shards that *owner* has, for anybody to claim at once; how many they were."""
        values = {"state": ShardState.PENDING.value, "owner": None, "until": None}
        with self.transaction(f"release the shards of [{name}]") as connection:
            return connection.execute(sql.update(SHARDS).where(*_of(name, owner)).values(values)).rowcount

    def owners(self, name: str) -> list[str]:
        """Whoever has a shard of the job."""
        where = (SHARDS.c.job == name, SHARDS.c.state == ShardState.LEASED.value)
        with self.transaction(f"read who works on [{name}]") as connection:
            return list(connection.execute(sql.select(SHARDS.c.owner).where(*where).distinct()).scalars())

    def commit(self, name: str, owner: str, shard: Shard, outcome: Outcome) -> bool:
        """Write down that the next items of *shard* are done, but for those that failed, and what they cost.

        False when the shard is the owner's no more: the part is then one that was paid for and does not count.
        """
        part = Part(shard.number, shard.done, shard.attempt)
        end = shard.done + outcome.items
        values: dict[str, Any] = {"done": end}
        if end == shard.count:
            values |= {"state": ShardState.DONE.value, "owner": None, "until": None, "external": None}
        mine = (*_is(name, shard.number), SHARDS.c.owner == owner, SHARDS.c.attempt == shard.attempt)
        update = sql.update(SHARDS).where(*mine, SHARDS.c.done == shard.done).values(values)
        with self.transaction(f"write down a part of [{name}]") as connection:
            counts = connection.execute(update).rowcount > 0
            row = records.of_part(name, part, outcome.items, outcome.receipt, outcome.paid)
            connection.execute(sql.insert(PARTS).values({**row, "counts": counts}))
            if counts:
                _write_failures(connection, name, shard.numbers(shard.done, end), outcome.failures)
                owed.put(connection, name, shard, outcome.owed)
        return counts

    def counts(self, name: str) -> Counts:
        """How far the job has come."""
        with self.transaction(f"read how far [{name}] is") as connection:
            return counted(connection, name)

    def left(self, name: str) -> list[int]:
        """The numbers of the shards that are not done."""
        where = (SHARDS.c.job == name, SHARDS.c.state != ShardState.DONE.value)
        with self.transaction(f"read how far [{name}] is") as connection:
            statement = sql.select(SHARDS.c.number).where(*where).order_by(SHARDS.c.number)
            return list(connection.execute(statement).scalars())

    def shards(self, name: str) -> list[Shard]:
        """All shards, by number."""
        with self.transaction(f"read the shards of [{name}]") as connection:
            rows = connection.execute(sql.select(SHARDS).where(SHARDS.c.job == name).order_by(SHARDS.c.number)).all()
        return [records.shard(row) for row in rows]

    def receipts(self, name: str) -> list[Receipt]:
        """What the parts that count became, in the order of the items."""
        where = (PARTS.c.job == name, PARTS.c.counts)
        order = (PARTS.c.shard, PARTS.c.begin, PARTS.c.attempt)
        with self.transaction(f"read the parts of [{name}]") as connection:
            rows = connection.execute(
                sql.select(PARTS.c.rows, PARTS.c.file, PARTS.c.digest).where(*where).order_by(*order)
            ).all()
        return [Receipt(*row) for row in rows]

    def failures(self, name: str, after: int = -1, most: int = _MANY) -> list[Failure]:
        """The items that failed, by number: at most so many, of those that come *after* one."""
        where = (FAILURES.c.job == name, FAILURES.c.item > after)
        with self.transaction(f"read the failures of [{name}]") as connection:
            rows = connection.execute(sql.select(FAILURES).where(*where).order_by(FAILURES.c.item).limit(most)).all()
        return [Failure(row.item, row.id, FailureKind(row.kind), row.message) for row in rows]

    def every_failure(self, name: str) -> Iterator[Failure]:
        """All items that failed, by number, read a page at a time."""
        after = -1
        while page := self.failures(name, after):
            yield from page
            after = page[-1].item

    def retry(self, name: str) -> int:
        """Make shards of the items that failed, and let the job run; how many they are.

        They count as failed until they are done.
        """
        failed = [failure.item for failure in self.every_failure(name)]
        with self.transaction(f"retry the failures of [{name}]") as connection:
            rows = connection.execute(sql.select(SHARDS).where(SHARDS.c.job == name).order_by(SHARDS.c.number)).all()
            waiting = {
                row.first_item + place
                for row in rows
                if row.only is not None and row.state != ShardState.DONE.value
                for place in msgspec.json.decode(row.only)
            }
            again = owed.again(
                [records.shard(row) for row in rows if row.only is None], [n for n in failed if n not in waiting]
            )
            first = rows[-1].number + 1 if rows else 0
            for number, shard in enumerate(again, first):
                numbered = msgspec.structs.replace(shard, number=number)
                connection.execute(sql.insert(SHARDS).values(records.of_shard(name, numbered)))
            values = {"state": JobState.RUNNING.value, "reason": None, "finished": None}
            connection.execute(sql.update(JOBS).where(JOBS.c.name == name).values(values))
        return sum(shard.count for shard in again)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self, purpose: str) -> Generator[sql.Connection]:
        """What happens in it happens whole or not at all; `INTERNAL`, with its *purpose*, where it cannot."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise InferenceError(Kind.INTERNAL, f"Failed to {purpose}: {reason}") from None


def opened(place: str | Path) -> Manifest:
    """The manifest in the folder *place*, made when it is not there, or in the PostgreSQL database of that address."""
    manifest = Manifest(database(place))
    manifest.prepare()
    return manifest


def _job(name: str) -> sql.Select[Any]:
    return sql.select(JOBS).where(JOBS.c.name == name)


def _is(name: str, number: int) -> tuple[sql.ColumnElement[bool], ...]:
    return SHARDS.c.job == name, SHARDS.c.number == number


def _of(name: str, owner: str) -> tuple[sql.ColumnElement[bool], ...]:
    return SHARDS.c.job == name, SHARDS.c.owner == owner, SHARDS.c.state == ShardState.LEASED.value


def _write_failures(connection: sql.Connection, name: str, items: Sequence[int], failures: Sequence[Failure]) -> None:
    """Have of *items* those failed, and no others, that *failures* name."""
    if isinstance(items, range):
        touched = FAILURES.c.item.between(items.start, items.stop - 1)
    else:
        touched = FAILURES.c.item.in_(items)
    connection.execute(sql.delete(FAILURES).where(FAILURES.c.job == name, touched))
    rows = [
        {"job": name, "item": failure.item, "id": failure.id, "kind": failure.kind.value, "message": failure.message}
        for failure in failures
    ]
    if rows:
        connection.execute(sql.insert(FAILURES), rows)
