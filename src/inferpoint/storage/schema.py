"""The tables of the store, and how a database of an older version gets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event

from inferpoint.errors import InferenceError, Kind

METADATA = sql.MetaData()
ENDPOINTS = sql.Table(
    "endpoints",
    METADATA,
    sql.Column("inference_id", sql.Text, primary_key=True),
    sql.Column("version", sql.Text, nullable=False, unique=True),
    sql.Column("task_type", sql.Text, nullable=False),
    sql.Column("service", sql.Text, nullable=False),
    sql.Column("document", sql.JSON, nullable=False),
    sql.Column("secrets", sql.JSON, nullable=False),
    sql.Column("dimensions", sql.Integer),
)
# Every id and every alias, in one space: the key refuses a name that another endpoint has.
NAMES = sql.Table(
    "names",
    METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column(
        "inference_id",
        sql.Text,
        sql.ForeignKey(ENDPOINTS.c.inference_id, ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
)
# The aliases that were given up, and the vectors that they stood for.
FORMER = sql.Table(
    "former_aliases",
    METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("inference_id", sql.Text, nullable=False),
    sql.Column("space", sql.Text, nullable=False),
    sql.Column("dimensions", sql.Integer),
)
# Keys of callers, of whose secrets there is a hash alone.
KEYS = sql.Table(
    "api_keys",
    METADATA,
    sql.Column("id", sql.Text, primary_key=True),
    sql.Column("version", sql.Text, nullable=False, unique=True),
    sql.Column("document", sql.JSON, nullable=False),
)
# Secrets that several endpoints use by a name, and the addresses that they may be sent to.
CREDENTIALS = sql.Table(
    "credentials",
    METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("secret", sql.Text, nullable=False),
    sql.Column("addresses", sql.JSON, nullable=False),
)
# What was done by whom: of what is looked for by, a column, and all of it as JSON.
AUDIT = sql.Table(
    "audit",
    METADATA,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("time", sql.Text, nullable=False),
    sql.Column("action", sql.Text, nullable=False),
    sql.Column("target", sql.Text, nullable=False),
    sql.Column("caller", sql.Text, nullable=False),
    sql.Column("entry", sql.Text, nullable=False),
    sqlite_autoincrement=True,
)
for change in ("UPDATE", "DELETE"):
    refusal = (
        f"CREATE TRIGGER audit_refuses_{change.lower()} BEFORE {change} ON audit"
        " BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    )
    event.listen(AUDIT, "after_create", sql.DDL(refusal).execute_if(dialect="sqlite"))
# Alembic made versions 1 to 3 and named this table; kept, so that a server of that time says that it is too old.
VERSIONS = sql.Table("alembic_version", METADATA, sql.Column("version_num", sql.String(32), primary_key=True))


def migrate(connection: sql.Connection) -> None:
    """Bring the schema to `VERSION`, in the transaction of *connection*; `INTERNAL` when it is of a newer version."""
    stored = _version(connection)
    if not stored.isdecimal() or int(stored) > VERSION:
        raise InferenceError(
            Kind.INTERNAL,
            f"The store was written by a newer version of Inferpoint: its schema is version [{stored}],"
            f" and this version of Inferpoint knows no newer one than [{VERSION}]",
        )
    if int(stored) == VERSION:
        return
    for version, step in _STEPS.items():
        if version > int(stored):
            step(connection)
    connection.execute(sql.delete(VERSIONS))
    connection.execute(sql.insert(VERSIONS).values(version_num=f"{VERSION:04}"))


def _version(connection: sql.Connection) -> str:
    """The version of the schema: 0 of a new database; `INTERNAL` when there is no version where one must have been."""
    used = sql.inspect(connection).get_table_names() or connection.exec_driver_sql("PRAGMA user_version").scalar()
    VERSIONS.create(connection, checkfirst=True)
    stored = connection.scalar(sql.select(sql.func.max(VERSIONS.c.version_num)))
    if stored is None and used:
        raise InferenceError(Kind.INTERNAL, "The store cannot be opened: it does not say which version its schema has")
    return "0" if stored is None else str(stored)


def _to_documents(connection: sql.Connection) -> None:
    """Version 4: an endpoint is one document, and its names have a table. Makes an empty database's tables, too."""
    rows: Sequence[sql.RowMapping] = ()
    if sql.inspect(connection).has_table("endpoints"):
        rows = connection.execute(sql.text("SELECT * FROM endpoints")).mappings().all()
        connection.execute(sql.text("DROP TABLE endpoints"))
    METADATA.create_all(connection)
    for row in rows:
        inference_id, document = row["inference_id"], _document(row)
        kept = {column: row[column] for column in ("version", "task_type", "service", "dimensions")}
        content = {"document": document, "secrets": json.loads(row["secrets"])}
        connection.execute(sql.insert(ENDPOINTS).values(inference_id=inference_id, **kept, **content))
        for name in (inference_id, *document.get("aliases", ())):
            connection.execute(sql.insert(NAMES).values(name=name, inference_id=inference_id))


def _with_new_tables(connection: sql.Connection) -> None:
    """Version 5: what an alias stood for is known after it was given up. Version 6: keys, credentials, audit trail."""
    METADATA.create_all(connection)


def _document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns of a version before 4 as one object, without what is empty: 1 had no aliases, 2 had no cache."""
    columns = {
        "settings": "service_settings",
        "options": "task_settings",
        "chunking": "chunking_settings",
        "aliases": "aliases",
        "cache": "cache",
    }
    sections = {section: json.loads(row.get(column) or "null") for column, section in columns.items()}
    return {section: value for section, value in sections.items() if value}


# What brings a schema of any older version to that of each key. The newest makes the tables that are declared above;
# whoever declares them anew writes down in it what they were.
_STEPS: Mapping[int, Callable[[sql.Connection], None]] = {4: _to_documents, 5: _with_new_tables, 6: _with_new_tables}
VERSION = max(_STEPS)
