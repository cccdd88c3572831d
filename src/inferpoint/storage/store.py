"""Endpoints at rest: SQLAlchemy Core in one thread of its own, so that no request waits for a disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import StaticPool

from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.storage.schema import ENDPOINTS, NAMES, migrate

T = TypeVar("T")

_READING = {"inferpoint_reading": True}  # a transaction that writes nothing, and so waits for nobody who does


@dataclass(frozen=True)
class StoredEndpoint:
    """An endpoint as it lies in the store.

    `document` holds the sections of its configuration as plain JSON values, `secrets` the sealed texts by their
    settings' names, `dimensions` the measured length of its vectors. `names` are all that find it, its id among them.
    """

    inference_id: str
    version: str
    task_type: str
    service: str
    document: Mapping[str, Any]
    secrets: Mapping[str, str]
    dimensions: int | None
    names: frozenset[str]


@dataclass(frozen=True)
class Changed:
    """Endpoints that are new or of another version, and the ids of those that are gone."""

    rows: Sequence[StoredEndpoint]
    gone: Collection[str]


class Store:
    """The stored endpoints. Every write is durable when it returns (`synchronous=FULL`) and whole or not there."""

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**_READING)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")

    async def all(self) -> list[StoredEndpoint]:
        """Every endpoint, by id."""
        return await self._run(_select, "read the inference endpoints", self._reading)

    async def changed(self, known: Mapping[str, str]) -> Changed:
        """The endpoints in which the store differs from *known*, versions by ids."""

        def compare(connection: sql.Connection) -> Changed:
            pairs = connection.execute(sql.select(ENDPOINTS.c.inference_id, ENDPOINTS.c.version))
            versions = {row.inference_id: row.version for row in pairs}
            rows: list[StoredEndpoint] = []
            for inference_id in sorted(dict(versions.items() - known.items())):
                rows += _select(connection, ENDPOINTS.c.inference_id == inference_id)
            return Changed(rows, known.keys() - versions.keys())

        return await self._run(compare, "read the inference endpoints", self._reading)

    async def add(self, endpoint: StoredEndpoint) -> None:
        """Store a new endpoint; `CONFLICT` when one of its names is taken."""

        def insert(connection: sql.Connection) -> None:
            _take_names(connection, endpoint)
            connection.execute(sql.insert(ENDPOINTS).values(_row(endpoint)))

        await self._run(insert, f"store {_named(endpoint.inference_id)}")

    async def replace(self, endpoint: StoredEndpoint, version: str) -> bool:
        """Store an endpoint in place of that *version* of it, unless it is gone; `CONFLICT` when an alias is taken."""

        def update(connection: sql.Connection) -> bool:
            statement = sql.update(ENDPOINTS).where(*_is(endpoint.inference_id, version)).values(_row(endpoint))
            if connection.execute(statement).rowcount == 0:
                return False
            connection.execute(sql.delete(NAMES).where(NAMES.c.inference_id == endpoint.inference_id))
            _take_names(connection, endpoint)
            return True

        return await self._run(update, f"update {_named(endpoint.inference_id)}")

    async def remove(self, inference_id: str, version: str) -> bool:
        """Delete that *version* of an endpoint with its names, unless it is gone."""
        delete = sql.delete(ENDPOINTS).where(*_is(inference_id, version))
        return await self._run(
            lambda connection: connection.execute(delete).rowcount == 1, f"delete {_named(inference_id)}"
        )

    def close(self) -> None:
        """Finish what is being written, then let the file go."""
        self._thread.shutdown()
        self._engine.dispose()

    async def _run(self, act: Callable[[sql.Connection], T], purpose: str, engine: sql.Engine | None = None) -> T:
        def transaction() -> T:
            try:
                with (engine or self._engine).begin() as connection:
                    return act(connection)
            except (DatabaseError, ValueError) as error:  # a ValueError is a row that is not JSON any more
                raise InferenceError(Kind.INTERNAL, f"Failed to {purpose}: {_reason(error)}") from None

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)


def opened(folder: Path | None = None) -> Store:
    """The store in *folder*, its schema brought up to date; `INTERNAL` when it cannot be read.

    Without a folder it is in memory, and gone when it is closed.
    """
    url = sql.URL.create("sqlite", database=str(folder / "inferpoint.db") if folder else None)
    engine = sql.create_engine(url, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except (DatabaseError, sqlite3.Error) as error:
        engine.dispose()
        raise InferenceError(Kind.INTERNAL, f"The store cannot be opened: {_reason(error)}") from None
    return Store(engine)


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin` alone
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sql.Connection) -> None:
    # A deferred transaction that reads before it writes fails under contention whatever the timeout.
    reading = _READING.items() <= connection.get_execution_options().items()
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _reason(error: Exception) -> str:
    """The driver's own sentence: SQLAlchemy adds the statement and a link, on lines of their own."""
    return str(error.orig if isinstance(error, DatabaseError) else error)


def _is(inference_id: str, version: str) -> tuple[sql.ColumnElement[bool], ...]:
    return ENDPOINTS.c.inference_id == inference_id, ENDPOINTS.c.version == version


def _select(connection: sql.Connection, *conditions: sql.ColumnElement[bool]) -> list[StoredEndpoint]:
    """The endpoints for which *conditions* hold, by id: one row for each name, put together again."""
    joined = sql.select(ENDPOINTS, NAMES.c.name).join(NAMES).where(*conditions).order_by(ENDPOINTS.c.inference_id)
    endpoints: dict[str, StoredEndpoint] = {}
    for row in connection.execute(joined).mappings():
        columns = dict(row)
        name, inference_id = columns.pop("name"), columns["inference_id"]
        known = endpoints[inference_id].names if inference_id in endpoints else frozenset[str]()
        endpoints[inference_id] = StoredEndpoint(**columns, names=known | {name})
    return list(endpoints.values())


def _row(endpoint: StoredEndpoint) -> dict[str, Any]:
    columns = asdict(endpoint)
    del columns["names"]
    return columns


def _take_names(connection: sql.Connection, endpoint: StoredEndpoint) -> None:
    """Write the names of *endpoint*; `CONFLICT` when the table's key refuses one."""
    for name in sorted(endpoint.names):
        try:
            connection.execute(sql.insert(NAMES).values(name=name, inference_id=endpoint.inference_id))
        except IntegrityError:
            problem = f"{_named(name).capitalize()} already exists"
            raise InferenceError(Kind.CONFLICT, problem, subject=Subject.EXISTING) from None


def _named(inference_id: str) -> str:
    return f"inference endpoint [{inference_id}]"
