"""One row of the store and the endpoint that it holds: written, read, and said to be damaged where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sql

from inferpoint.storage.schema import ENDPOINTS, NAMES
from inferpoint.storage.vault import Vault


@dataclass(frozen=True)
class StoredEndpoint:
    """An endpoint as it lies in the store.

    `document` holds the sections of its configuration as plain JSON values, `secrets` the sealed texts by their
    settings' names, `dimensions` the measured length of its vectors. `names` are all that find it, its id among them.
    `damage` says why a row cannot be read, and then nothing but its id, version and names counts.
    """

    inference_id: str
    version: str
    task_type: str
    service: str
    document: Mapping[str, Any]
    secrets: Mapping[str, str]
    dimensions: int | None
    names: frozenset[str]
    damage: str = ""


def select(connection: sql.Connection, *conditions: sql.ColumnElement[bool]) -> list[StoredEndpoint]:
    """The endpoints for which *conditions* hold, by id: one row for each name, put together again."""
    stored = [sql.type_coerce(column, sql.Text).label(column.name) for column in ENDPOINTS.c]
    joined = sql.select(*stored, NAMES.c.name).outerjoin(NAMES).where(*conditions).order_by(ENDPOINTS.c.inference_id)
    rows: dict[str, dict[str, Any]] = {}
    names: dict[str, set[str]] = {}
    for row in map(dict[str, Any], connection.execute(joined).mappings()):
        inference_id = row["inference_id"]
        rows[inference_id] = row
        names.setdefault(inference_id, {inference_id}).add(row["name"] or inference_id)
    return [_stored(row, frozenset(names[inference_id])) for inference_id, row in rows.items()]


def _stored(row: Mapping[str, Any], names: frozenset[str]) -> StoredEndpoint:
    """The endpoint of one row; what was changed behind our back costs this one alone."""
    inference_id, version, dimensions = row["inference_id"], row["version"], row["dimensions"]
    task_type, service = row["task_type"], row["service"]
    try:
        document, secrets = (_object(row[column], column) for column in ("document", "secrets"))
        texts = (inference_id, version, task_type, service, *secrets.values())
        if not all(isinstance(text, str) for text in texts) or not isinstance(dimensions, int | None):
            raise ValueError("a value is of another type")
    except ValueError as error:
        return StoredEndpoint(inference_id, version, "", "", {}, {}, None, names, f"The stored row is damaged: {error}")
    return StoredEndpoint(inference_id, version, task_type, service, document, secrets, dimensions, names)


def _object(text: Any, column: str) -> dict[str, Any]:
    """The JSON object of a column, of which a ValueError says what else it is."""
    try:
        return msgspec.json.decode(text if isinstance(text, bytes) else str(text).encode(), type=dict[str, Any])
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"its {column} is no JSON object: {error}") from None


def place(inference_id: str, name: str) -> str:
    """The place of a setting's secret, for which alone it is sealed."""
    return f"{inference_id}/{name}"


def resealed(endpoint: StoredEndpoint, vault: Vault) -> StoredEndpoint:
    """*endpoint* with all its secrets sealed by the newest key of *vault*."""
    secrets = {
        name: vault.resealed(text, place(endpoint.inference_id, name)) for name, text in endpoint.secrets.items()
    }
    return endpoint if secrets == endpoint.secrets else replace(endpoint, secrets=secrets)


def columns(endpoint: StoredEndpoint) -> dict[str, Any]:
    """The row of *endpoint*, without its names."""
    row = asdict(endpoint)
    del row["names"], row["damage"]
    return row


def named(inference_id: str) -> str:
    """An endpoint as the store's errors name it."""
    return f"inference endpoint [{inference_id}]"
