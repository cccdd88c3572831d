"""The database of jobs: a file of SQLite's in a folder, or PostgreSQL where several machines work."""

from __future__ import annotations

import importlib
import sqlite3
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy import event

from inferpoint.errors import invalid
from inferpoint.storage.folder import make_private, make_private_file

FILE = "jobs.db"
_POSTGRES = "postgresql://"
# A worker that stands still in the middle of a transaction has what it has locked for a minute, and no longer.
_NO_STANDING_STILL = "-c idle_in_transaction_session_timeout=60000"


def database(place: str | Path) -> sql.Engine:
    """The database in the folder *place*, made when it is not there, or the PostgreSQL database of that address."""
    if isinstance(place, str) and place.startswith(_POSTGRES):
        return _postgres(place)
    if isinstance(place, str) and "://" in place:
        raise invalid(f"Jobs are written down in a folder, or in a database whose address begins with {_POSTGRES}")
    return _sqlite(Path(place))


def _sqlite(folder: Path) -> sql.Engine:
    try:
        make_private(folder)
        make_private_file(folder / FILE)
    except OSError as error:
        raise invalid(f"The folder of jobs {folder} cannot be used: {error.strerror}") from None
    engine = sql.create_engine(
        sql.URL.create("sqlite", database=str(folder / FILE)), connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin` alone
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sql.Connection) -> None:
    # One that reads before it writes fails under contention unless it says at once that it will write.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgres(address: str) -> sql.Engine:
    try:
        importlib.import_module("psycopg")
    except ImportError:
        raise invalid("Jobs in PostgreSQL need its driver: pip install 'inferpoint[postgres]'") from None
    return sql.create_engine(
        address.replace(_POSTGRES, "postgresql+psycopg://", 1),
        pool_pre_ping=True,
        connect_args={"options": _NO_STANDING_STILL, "connect_timeout": 10},
    )
