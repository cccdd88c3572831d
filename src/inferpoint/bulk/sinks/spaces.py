"""One space in a sink: what a sink writes down of its own, and which rows are of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from inferpoint.bulk import vectors
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Row
from inferpoint.errors import invalid

NAMES_OF_VALUES = {"weights": "weights", "text": "completion"}  # others are embeddings


def value_name(space: Space) -> str:
    """What the value of a row is called where it has a name."""
    return NAMES_OF_VALUES.get(space.element, "embedding")


def is_vectors(space: Space) -> bool:
    """Whether the values of a space are dense vectors, of any element."""
    return space.element not in NAMES_OF_VALUES


def numbers_of(space: Space) -> int | None:
    """How many numbers each vector of a space holds, as far as that is known: of bits there are eight in one."""
    if space.dimensions is None or not is_vectors(space):
        return None
    return space.dimensions // 8 if space.element == "bit" else space.dimensions


def agreeing(where: str, held: Mapping[str, Any] | None, space: Space) -> None:
    """See that what *where* says of its space is *space*, or nothing; `INVALID` names what is different."""
    for name, wanted in cast("dict[str, Any]", msgspec.to_builtins(space)).items():
        if held is not None and held.get(name) != wanted:
            raise invalid(
                f"[{where}] holds vectors whose {name} is [{held.get(name)}], and these have [{wanted}]: a sink holds "
                "vectors of one space, as others do not compare"
            )


def by_document(rows: Sequence[Row]) -> Mapping[str, Sequence[Row]]:
    """The rows of each document: of the last, where several items have one id."""
    documents: dict[str, list[Row]] = {}
    for row in rows:
        if not row.chunk:  # an item begins
            documents[row.document] = []
        documents.setdefault(row.document, []).append(row)
    return documents


def fitting(rows: Sequence[Row], space: Space) -> tuple[Sequence[Row], Mapping[str, str]]:
    """The rows of documents whose vectors have the space's length, and by its id what is wrong with any other."""
    wanted = numbers_of(space)
    if wanted is None:
        return rows, {}
    lengths = ((row.document, vectors.length(row.value)) for row in rows)
    wrong = {
        document: f"A vector has {count} numbers where {wanted} are expected"
        for document, count in lengths
        if count != wanted
    }
    return [row for row in rows if row.document not in wrong] if wrong else rows, wrong


def weights(value: Any) -> Mapping[str, float]:
    """The weights of a sparse vector, which may be JSON text."""
    return msgspec.json.decode(value, type=dict[str, float]) if isinstance(value, msgspec.Raw) else value


def text(value: Any) -> str:
    """What a model wrote, which may be JSON text."""
    return msgspec.json.decode(value, type=str) if isinstance(value, msgspec.Raw) else value
