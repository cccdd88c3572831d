"""The parts of embeddings that both of Google's services have. https://ai.google.dev/gemini-api/docs/embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from inferpoint.model.http import parse
from inferpoint.model.requests import InputType
from inferpoint.model.results import Embeddings
from inferpoint.model.vectors import written
from inferpoint.protocols import vectors

PURPOSES: Mapping[str, str] = {
    InputType.INGEST: "RETRIEVAL_DOCUMENT",
    InputType.SEARCH: "RETRIEVAL_QUERY",
    InputType.CLASSIFICATION: "CLASSIFICATION",
    InputType.CLUSTERING: "CLUSTERING",
}
INPUT_TYPES = frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING})
_WHOLE = 3072  # numbers of a vector of Gemini's first model, which has the length 1 then alone


def of_one_length(embedded: Embeddings, model: str, dimensions: int | None, *, of: str) -> Embeddings:
    """*embedded* with vectors of the length 1, which a dot product needs, and shorter ones of Gemini do not have."""
    if dimensions in (None, _WHOLE) or not model.startswith("gemini-embedding"):
        return embedded

    def read(vector: msgspec.Raw | None) -> msgspec.Raw | None:
        return None if vector is None else _normalised(vector, of)

    values, errors = vectors.by_row(embedded.vectors, read)
    return replace(embedded, vectors=values, errors={**embedded.errors, **errors})


def _normalised(vector: msgspec.Raw, of: str) -> msgspec.Raw:
    numbers = parse(bytes(vector), list[float], of=of)
    length = math.hypot(*numbers)
    return vector if length == 0 or not math.isfinite(length) else written(n / length for n in numbers)
