"""The keys of callers at rest, each as one document; the store keeps them beside the endpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sql

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.schema import KEYS
from inferpoint.storage.store import Store


@dataclass(frozen=True)
class StoredKey:
    """A key as it lies in the store; `document` is None where the row is damaged."""

    id: str
    version: str
    document: Mapping[str, Any] | None


@dataclass(frozen=True)
class ChangedKeys:
    """Keys that are new or of another version, and the ids of those that are gone."""

    rows: Sequence[StoredKey]
    gone: Collection[str]


class KeyStore:
    """The stored keys. Every write is durable when it returns."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def changed(self, known: Mapping[str, str]) -> ChangedKeys:
        """The keys in which the store differs from *known*, versions by ids."""

        def compare(connection: sql.Connection) -> ChangedKeys:
            pairs = connection.execute(sql.select(KEYS.c.id, KEYS.c.version))
            versions = {row.id: row.version for row in pairs}
            columns = KEYS.c.id, KEYS.c.version, sql.type_coerce(KEYS.c.document, sql.Text).label("document")
            rows = [
                _stored(connection.execute(sql.select(*columns).where(KEYS.c.id == key_id)).mappings().one())
                for key_id in sorted(dict(versions.items() - known.items()))
            ]
            return ChangedKeys(rows, known.keys() - versions.keys())

        return await self._store.run(compare, "read the API keys", reads=True)

    async def put(self, changes: Sequence[tuple[StoredKey, str | None]]) -> None:
        """Store keys, each in place of a version or as a new one: all, or none and `CONFLICT` when one was changed."""

        def write(connection: sql.Connection) -> None:
            for key, before in changes:
                values = {"id": key.id, "version": key.version, "document": key.document}
                if before is None:
                    connection.execute(sql.insert(KEYS).values(values))
                    continue
                statement = sql.update(KEYS).where(KEYS.c.id == key.id, KEYS.c.version == before).values(values)
                if connection.execute(statement).rowcount == 0:
                    raise being_changed(key.id)

        await self._store.run(write, "store the API keys")


def being_changed(key_id: str) -> InferenceError:
    """The refusal of a change while somebody else changes the key."""
    return InferenceError(Kind.CONFLICT, f"API key [{key_id}] is currently being changed. Try again")


def _stored(row: sql.RowMapping) -> StoredKey:
    try:
        text = row["document"]
        document = msgspec.json.decode(text if isinstance(text, bytes) else str(text).encode(), type=dict[str, Any])
    except (ValueError, msgspec.ValidationError):
        document = None
    return StoredKey(row["id"], row["version"], document)
