"""Endpoints at rest: SQLAlchemy Core in one thread of its own, so that no request waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage import credentials, names
from inferpoint.storage.names import Former
from inferpoint.storage.rows import StoredEndpoint, columns, named, resealed, select
from inferpoint.storage.schema import ENDPOINTS, migrate
from inferpoint.storage.store_file import StoreFile
from inferpoint.storage.vault import Vault

T = TypeVar("T")

_READING = {"inferpoint_reading": True}  # a transaction that writes nothing, and so waits for nobody who does
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


class _ChangedError(Exception):
    """The version that was to be changed is not there any more, and nothing is."""


@dataclass(frozen=True)
class Changed:
    """Endpoints that are new or of another version, and the ids of those that are gone."""

    rows: Sequence[StoredEndpoint]
    gone: Collection[str]


class Store:
    """The stored endpoints. Every write is durable when it returns (`synchronous=FULL`) and whole or not there."""

    def __init__(self, engine: sql.Engine, file: StoreFile | None) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**_READING)
        self._file = file
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._vault: Vault | None = None

    def seal_with(self, vault: Vault) -> None:
        """Have what is written sealed by the newest key of *vault*, whichever process made it meanwhile."""
        self._vault = vault

    async def all(self) -> list[StoredEndpoint]:
        """Every endpoint, by id."""
        return await self.run(select, "read the inference endpoints", reads=True)

    async def changed(self, known: Mapping[str, str]) -> Changed:
        """The endpoints in which the store differs from *known*, versions by ids."""

        def compare(connection: sql.Connection) -> Changed:
            pairs = connection.execute(sql.select(ENDPOINTS.c.inference_id, ENDPOINTS.c.version))
            versions = {row.inference_id: row.version for row in pairs}
            rows: list[StoredEndpoint] = []
            for inference_id in sorted(dict(versions.items() - known.items()), key=str):
                rows += select(connection, ENDPOINTS.c.inference_id == inference_id)
            return Changed(rows, known.keys() - versions.keys())

        return await self.run(compare, "read the inference endpoints", reads=True)

    async def add(self, endpoint: StoredEndpoint) -> None:
        """Store a new endpoint; `CONFLICT` when one of its names is taken."""

        def insert(connection: sql.Connection) -> None:
            names.take(connection, endpoint)
            connection.execute(sql.insert(ENDPOINTS).values(self._row(connection, endpoint)))

        await self.run(insert, f"store {named(endpoint.inference_id)}")

    async def replace(
        self, endpoint: StoredEndpoint, version: str, losing: Sequence[tuple[StoredEndpoint, str]] = ()
    ) -> bool:
        """Store an endpoint in place of that *version* of it, unless it is gone; `CONFLICT` when an alias is taken.

        With it go those that are *losing* names to it, each with the version it has: all or none of them.
        """
        changes = [(endpoint, version), *losing]

        def update(connection: sql.Connection) -> None:
            for changed, before in changes:
                names.give_up(connection, changed.inference_id)
                row = self._row(connection, changed)
                statement = sql.update(ENDPOINTS).where(*_is(changed.inference_id, before)).values(row)
                if connection.execute(statement).rowcount == 0:
                    raise _ChangedError
            for changed, _ in reversed(changes):
                names.take(connection, changed)

        try:
            await self.run(update, f"update {named(endpoint.inference_id)}")
        except _ChangedError:
            return False
        return True

    async def former(self, aliases: Collection[str]) -> Mapping[str, Former]:
        """The vectors that those of the *aliases* stood for which no endpoint has and one of embeddings had."""
        return await self.run(
            lambda connection: names.former(connection, aliases), "read the former aliases", reads=True
        )

    async def remove(self, inference_id: str, version: str) -> bool:
        """Delete that *version* of an endpoint with its names, unless it is gone; also when the disk is full."""
        delete = sql.delete(ENDPOINTS).where(*_is(inference_id, version))

        def removed(connection: sql.Connection) -> bool:
            names.give_up(connection, inference_id)
            if connection.execute(delete).rowcount == 0:
                raise _ChangedError
            return True

        try:
            return await self.run(removed, f"delete {named(inference_id)}", spare=True)
        except _ChangedError:
            return False

    def _row(self, connection: sql.Connection, endpoint: StoredEndpoint) -> dict[str, Any]:
        """The row of *endpoint*, made in the transaction that writes it: no rotation comes between.

        `INVALID` when it refers to a credential that is gone.
        """
        credentials.refuse_missing(connection, endpoint)
        if self._vault is None:
            return columns(endpoint)
        self._vault.refresh()
        return columns(resealed(endpoint, self._vault))

    def close(self) -> None:
        """Finish what is being written, then let the file go."""
        self._thread.shutdown()
        self._engine.dispose()

    async def run(
        self,
        act: Callable[[sql.Connection], T],
        purpose: str,
        *,
        reads: bool = False,
        spare: bool = False,
    ) -> T:
        """The result of *act* in one transaction, `INTERNAL` where there is none: "Failed to " and the *purpose*.

        One that only *reads* waits for nobody who writes; one that may use what is *spare* has room on a full disk.
        """
        engine = self._reading if reads else None

        def transaction() -> T:
            try:
                self._refuse_changed()
                return self._with_spare(lambda: self._transaction(act, engine), spare=spare)
            except (DatabaseError, sqlite3.Error, OSError, ValueError) as error:
                raise InferenceError(Kind.INTERNAL, f"Failed to {purpose}: {_reason(error)}") from None

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    def _transaction(self, act: Callable[[sql.Connection], T], engine: sql.Engine | None) -> T:
        with (engine or self._engine).begin() as connection:
            result = act(connection)
        if self._file is not None and engine is None:
            self._file.settle(_raw(self._engine))
        return result

    def _with_spare(self, act: Callable[[], T], *, spare: bool) -> T:
        try:
            return act()
        except DatabaseError as error:
            if self._file is None or not spare or not _lacks_room(error):
                raise
        self._file.free_spare()
        try:
            return act()
        finally:
            self._file.keep_spare()

    def _refuse_changed(self) -> None:
        """`INTERNAL` when the file is not what it was; what another worker wrote to it is read anew."""
        if self._file is None or self._file.untouched():
            return
        self._engine.dispose()  # what it remembers of the file's pages may be wrong
        self._file.check(_raw(self._engine))
        self._file.settle(_raw(self._engine))


def opened(folder: Path | None = None) -> Store:
    """The store in *folder*, its schema brought up to date; `INTERNAL` when it is lost or cannot be read.

    Without a folder it is in memory, and gone when it is closed.
    """
    file = None if folder is None else StoreFile(folder)
    if file is None:
        return _opened(None)
    try:
        file.prepare()
        try:
            return _opened(file)
        except (DatabaseError, sqlite3.Error) as error:
            if not _lacks_room(error):
                raise
        file.free_spare()
        return _opened(file)
    except (DatabaseError, sqlite3.Error, OSError) as error:
        raise InferenceError(Kind.INTERNAL, f"The store cannot be opened: {_reason(error)}") from None


def _opened(file: StoreFile | None) -> Store:
    url = sql.URL.create("sqlite", database=None if file is None else str(file.path))
    engine = sql.create_engine(url, connect_args={"check_same_thread": False}, poolclass=StaticPool)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        if file is not None:
            file.check(_raw(engine))
        with engine.begin() as connection:
            migrate(connection)
        if file is not None:
            file.identify(_raw(engine))
            file.settle(_raw(engine))
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, file)


def _raw(engine: sql.Engine) -> sqlite3.Connection:
    """The engine's one connection as the driver has it, for what is no transaction."""
    with contextlib.closing(engine.raw_connection()) as borrowed:
        return cast("sqlite3.Connection", borrowed.driver_connection)


def _lacks_room(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DatabaseError) else error
    return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _NO_ROOM


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin` alone
    connection.text_factory = _text
    # What is deleted is overwritten: it may be a secret.
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _text(stored: bytes) -> str:
    """A stored text; one that is no UTF-8 spoils its own row, and not all that are read with it."""
    return stored.decode("utf-8", "surrogateescape")


def _begin(connection: sql.Connection) -> None:
    # A deferred transaction that reads before it writes fails under contention whatever the timeout.
    reading = _READING.items() <= connection.get_execution_options().items()
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _reason(error: Exception) -> str:
    """The driver's own sentence: SQLAlchemy adds the statement and a link, on lines of their own."""
    return str(error.orig if isinstance(error, DatabaseError) else error)


def _is(inference_id: str, version: str) -> tuple[sql.ColumnElement[bool], ...]:
    return ENDPOINTS.c.inference_id == inference_id, ENDPOINTS.c.version == version
