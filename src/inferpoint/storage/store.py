"""Endpoints at rest: SQLAlchemy Core in one thread of its own, so that no request waits for a disk."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import StaticPool

from inferpoint.errors import InferenceError, Kind, Subject

T = TypeVar("T")

METADATA = sql.MetaData()
ENDPOINTS = sql.Table(
    "endpoints",
    METADATA,
    sql.Column("inference_id", sql.Text, primary_key=True),
    sql.Column("task_type", sql.Text, nullable=False),
    sql.Column("service", sql.Text, nullable=False),
    sql.Column("settings", sql.JSON, nullable=False),
    sql.Column("secrets", sql.JSON, nullable=False),
    sql.Column("options", sql.JSON, nullable=False),
    sql.Column("chunking", sql.JSON(none_as_null=True)),
    sql.Column("dimensions", sql.Integer),
    sql.Column("version", sql.Text, nullable=False, unique=True),
    sql.Column("aliases", sql.JSON, nullable=False, server_default="[]"),
    sql.Column("cache", sql.JSON(none_as_null=True)),
)
_MIGRATIONS = Path(__file__).parent / "migrations"
_READING = {"inferpoint_reading": True}  # a transaction that writes nothing, and so waits for nobody who does


@dataclass(frozen=True)
class StoredEndpoint:
    """An endpoint as it lies in the store: plain JSON values, and its secrets sealed."""

    inference_id: str
    task_type: str
    service: str
    settings: dict[str, Any]
    secrets: dict[str, str]
    options: dict[str, Any]
    chunking: dict[str, Any] | None
    dimensions: int | None
    version: str
    aliases: list[str] = field(default_factory=list[str])
    cache: dict[str, Any] | None = None


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

        def select(connection: sql.Connection) -> list[StoredEndpoint]:
            rows = connection.execute(sql.select(ENDPOINTS).order_by(ENDPOINTS.c.inference_id))
            return [StoredEndpoint(**row) for row in rows.mappings()]

        return await self._run(select, "read the inference endpoints", self._reading)

    async def changed(self, known: Mapping[str, str]) -> Changed:
        """What tells the store from *known*, the ids of endpoints with their versions."""

        def compare(connection: sql.Connection) -> Changed:
            found = connection.execute(sql.select(ENDPOINTS.c.inference_id, ENDPOINTS.c.version))
            versions = {row.inference_id: row.version for row in found}
            rows: list[StoredEndpoint] = []
            for inference_id in sorted(dict(versions.items() - known.items())):
                select = sql.select(ENDPOINTS).where(ENDPOINTS.c.inference_id == inference_id)
                rows += [StoredEndpoint(**row) for row in connection.execute(select).mappings()]
            return Changed(rows, known.keys() - versions.keys())

        return await self._run(compare, "read the inference endpoints", self._reading)

    async def add(self, endpoint: StoredEndpoint) -> None:
        """Store a new endpoint; `CONFLICT` when one of its names is taken."""

        def insert(connection: sql.Connection) -> None:
            _refuse_taken(connection, endpoint)
            connection.execute(sql.insert(ENDPOINTS).values(**asdict(endpoint)))

        await self._run(insert, f"store {_named(endpoint.inference_id)}")

    async def replace(self, endpoint: StoredEndpoint, version: str) -> bool:
        """Store an endpoint in place of that *version* of it, unless it is gone; `CONFLICT` when an alias is taken."""

        def update(connection: sql.Connection) -> bool:
            _refuse_taken(connection, endpoint)
            statement = sql.update(ENDPOINTS).where(*_is(endpoint.inference_id, version)).values(**asdict(endpoint))
            return connection.execute(statement).rowcount == 1

        return await self._run(update, f"update {_named(endpoint.inference_id)}")

    async def remove(self, inference_id: str, version: str) -> bool:
        """Delete that *version* of an endpoint, unless it is gone."""
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
            except IntegrityError:
                raise _exists(purpose.partition(" ")[2]) from None
            except (DatabaseError, ValueError) as error:  # a ValueError is a row that is not JSON any more
                raise InferenceError(Kind.INTERNAL, f"Failed to {purpose}: {_reason(error)}") from None

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)


def opened(folder: Path | None) -> Store:
    """The store in *folder*, or one in memory, its schema brought up to date; `INTERNAL` when it cannot be read."""
    url = sql.URL.create("sqlite", database=str(folder / "inferpoint.db") if folder else None)
    engine = sql.create_engine(url, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _migrate(connection)
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


def _migrate(connection: sql.Connection) -> None:
    """Bring the schema to the newest revision; Alembic is read only when it is behind."""
    newest = max(path.stem.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    if sql.inspect(connection).has_table("alembic_version"):
        current = connection.execute(sql.text("SELECT version_num FROM alembic_version")).scalar()
        if current == newest:
            return
        if re.fullmatch(r"\d+", current or "") and int(current or 0) > int(newest):
            raise InferenceError(Kind.INTERNAL, "The store was written by a newer version of Inferpoint")
    from alembic import command  # noqa: PLC0415 - 0.3 s that a running server does not need
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _reason(error: Exception) -> str:
    """The driver's own sentence: SQLAlchemy adds the statement and a link, on lines of their own."""
    return str(error.orig if isinstance(error, DatabaseError) else error)


def _is(inference_id: str, version: str) -> tuple[sql.ColumnElement[bool], ...]:
    return ENDPOINTS.c.inference_id == inference_id, ENDPOINTS.c.version == version


def _refuse_taken(connection: sql.Connection, endpoint: StoredEndpoint) -> None:
    """`CONFLICT` when a name of *endpoint* is the id or an alias of another."""
    names = [endpoint.inference_id, *endpoint.aliases]
    columns = ENDPOINTS.c.inference_id, ENDPOINTS.c.aliases
    others = sql.select(*columns).where(
        ENDPOINTS.c.inference_id != endpoint.inference_id,
        sql.or_(ENDPOINTS.c.inference_id.in_(names), ENDPOINTS.c.aliases != []),
    )
    taken = {name for row in connection.execute(others) for name in (row.inference_id, *row.aliases)}
    for name in names:
        if name in taken:
            raise _exists(_named(name))


def _exists(named: str) -> InferenceError:
    return InferenceError(Kind.CONFLICT, f"{named.capitalize()} already exists", subject=Subject.EXISTING)


def _named(inference_id: str) -> str:
    return f"inference endpoint [{inference_id}]"
