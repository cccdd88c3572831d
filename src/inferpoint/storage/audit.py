"""The audit trail: who changed what, when, from where and with what outcome; written once, and never changed.

Triggers of the table refuse every update and deletion, so that no fault of ours and no careless hand changes it. Who
owns the file can remove them, as they could write a chain of hashes anew, whose key is beside it: what must outlast
that is the file of JSON lines, which is shipped elsewhere as logs are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import Caller
from inferpoint.storage.folder import FILE_MODE
from inferpoint.storage.schema import AUDIT
from inferpoint.storage.store import Store

SUCCESS, FAILURE = "success", "failure"
MOST_CHANGES = 50
_LONGEST_NAME, _LONGEST_VALUE, _LONGEST_REASON = 200, 300, 1000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One member that an action changed, None where it was not set; of a secret a fingerprint."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class AuditQuery:
    """The entries that are wanted: `size` of them after the `skip` newest, each condition where it is not None."""

    skip: int = 0
    size: int = 100
    start: datetime | None = None
    end: datetime | None = None
    conditions: Mapping[str, str] = field(default_factory=dict[str, str])  # of `action`, `target` and `caller`


class Audit:
    """The trail in *store*, shared by all who have it open, and in a *file* of JSON lines where there is one.

    An action whose record cannot be written stays done, and the log says so: a full disk must not keep anybody from
    deleting.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], file: Path | None = None) -> None:
        self._store = store
        self._now = now
        self._file = file

    async def record(
        self,
        caller: Caller,
        action: str,
        target: str,
        changes: Iterable[Change] = (),
        error: InferenceError | None = None,
    ) -> None:
        """Write down that *caller* did *action* to *target*, or with an *error* that it tried to.

        Durable when it returns. What is long is shortened. Nothing in *changes* may be a secret.
        """
        now = self._now()
        entry: dict[str, Any] = {
            "time": _written(now),
            "action": action,
            "target": _short(target, _LONGEST_NAME),
            "caller": _short(caller.name, _LONGEST_NAME),
            "client": caller.address,
            "outcome": SUCCESS if error is None else FAILURE,
        }
        if told := list(changes):
            entry["changes"] = [_change(one) for one in told[:MOST_CHANGES]]
            if len(told) > MOST_CHANGES:
                entry["more_changes"] = len(told) - MOST_CHANGES
        if error is not None:
            entry |= {"kind": error.kind.value, "reason": _short(error.whole(), _LONGEST_REASON)}
        # Everything but ASCII is escaped: no name ends a line, or moves a terminal's cursor.
        await self._keep(entry, json.dumps(entry))

    @contextlib.asynccontextmanager
    async def failures(self, caller: Caller, action: str, target: str) -> AsyncGenerator[None]:
        """Record the error that ends what is done inside."""
        try:
            yield
        except InferenceError as error:
            await self.record(caller, action, target, error=error)
            raise

    async def entries(self, query: AuditQuery) -> tuple[int, Sequence[Mapping[str, Any]]]:
        """How many entries there are as *query* says, and those of them that it wants, the newest first."""
        where = [AUDIT.c[name] == value for name, value in query.conditions.items()]
        if query.start is not None:
            where.append(AUDIT.c.time >= _written(query.start))
        if query.end is not None:
            where.append(AUDIT.c.time < _written(query.end))
        newest = sql.select(AUDIT.c.entry).where(*where).order_by(AUDIT.c.number.desc())

        def read(connection: sql.Connection) -> tuple[int, list[Mapping[str, Any]]]:
            count = connection.scalar(sql.select(sql.func.count()).select_from(AUDIT).where(*where)) or 0
            rows = connection.scalars(newest.offset(query.skip).limit(query.size))
            return count, [json.loads(row) for row in rows]

        return await self._store.run(read, "read the audit trail", reads=True)

    async def _keep(self, entry: Mapping[str, Any], line: str) -> None:
        row = {name: entry[name] for name in ("time", "action", "target", "caller")}
        insert = sql.insert(AUDIT).values(**row, entry=line)
        try:
            await self._store.run(lambda connection: connection.execute(insert), "write the audit trail", spare=True)
        except InferenceError as error:
            _LOG.error("%s: %s", error, line)
        if self._file is not None:
            try:
                await asyncio.to_thread(_append, self._file, line)
            except OSError as error:
                _LOG.error("The audit trail cannot be written to %s (%s): %s", self._file, error.strerror, line)


def file(path: str | None) -> Path | None:
    """The file of changes at *path*, made for its owner alone where it is missing; `INVALID` when it takes nothing."""
    if path is None:
        return None
    try:
        os.close(_opened(Path(path)))
    except OSError as error:
        raise InferenceError(Kind.INVALID, f"The audit file {path} cannot be written: {error.strerror}") from None
    return Path(path)


def _append(path: Path, line: str) -> None:
    """Write a line in one piece, so that those of several workers stay whole, to a file that may be moved meanwhile."""
    descriptor = _opened(path)
    try:
        os.write(descriptor, line.encode() + b"\n")
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _change(change: Change) -> dict[str, Any]:
    return {"name": _short(change.name, _LONGEST_NAME), "before": _value(change.before), "after": _value(change.after)}


def _value(value: Any) -> Any:
    """*value*, as shortened JSON where it is long."""
    if isinstance(value, str):
        return _short(value, _LONGEST_VALUE)
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return json.loads(text) if len(text) <= _LONGEST_VALUE else _short(text, _LONGEST_VALUE)


def _short(text: str, most: int) -> str:
    """The first *most* characters of *text*, without halves of surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= most else f"{whole[:most]}…"
