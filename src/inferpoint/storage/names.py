"""The names by which endpoints are found, and what the aliases that were given up stood for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.model.endpoint import TaskType
from inferpoint.model.space import space
from inferpoint.storage.rows import StoredEndpoint, named, select
from inferpoint.storage.schema import ENDPOINTS, FORMER, NAMES

_EMBEDDING = frozenset(kind.value for kind in TaskType if kind.embeds)


@dataclass(frozen=True)
class Former:
    """The vectors that an alias stood for: the id of their endpoint, their space and their length, where known."""

    inference_id: str
    space: str
    dimensions: int | None


def take(connection: sql.Connection, endpoint: StoredEndpoint) -> None:
    """Write the names of *endpoint*; `CONFLICT` when one is another's."""
    for name in sorted(endpoint.names):
        try:
            connection.execute(sql.insert(NAMES).values(name=name, inference_id=endpoint.inference_id))
        except IntegrityError:
            problem = f"{named(name).capitalize()} already exists"
            raise InferenceError(Kind.CONFLICT, problem, subject=Subject.EXISTING) from None
    if endpoint.task_type in _EMBEDDING:
        connection.execute(sql.delete(FORMER).where(FORMER.c.name.in_(endpoint.names)))


def give_up(connection: sql.Connection, inference_id: str) -> None:
    """Free the names of an endpoint; of an embedding's aliases it stays known what they stood for."""
    for row in select(connection, ENDPOINTS.c.inference_id == inference_id):
        connection.execute(sql.delete(NAMES).where(NAMES.c.inference_id == inference_id))
        aliases = sorted(row.names - {inference_id}) if row.task_type in _EMBEDDING else []
        shown = row.document.get("service_settings")
        content = {
            "inference_id": inference_id,
            "space": space(row.service, cast("dict[str, Any]", shown) if isinstance(shown, dict) else {}),
            "dimensions": row.dimensions,
        }
        connection.execute(sql.delete(FORMER).where(FORMER.c.name.in_(aliases)))
        for alias in aliases:
            connection.execute(sql.insert(FORMER).values(name=alias, **content))


def former(connection: sql.Connection, names: Collection[str]) -> Mapping[str, Former]:
    """The vectors that those of the *names* stood for that no endpoint has and one of embeddings had."""
    rows = connection.execute(sql.select(FORMER).where(FORMER.c.name.in_(names))).mappings()
    return {row["name"]: Former(row["inference_id"], row["space"], row["dimensions"]) for row in rows}
