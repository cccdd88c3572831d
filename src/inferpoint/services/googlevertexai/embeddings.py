"""Vectors. https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.gemini.embeddings import INPUT_TYPES, TASK_TYPES, of_one_length
from inferpoint.protocols.readers import count, members
from inferpoint.protocols.service import Limits, Rates, Task
from inferpoint.services.googlevertexai.account import FAILURES, Account, check, group, location, model_url, project_id

OF = "Google Vertex AI embeddings"
INPUTS, TOKENS = 250, 20_000  # of one call


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    location: str | None = location()
    project_id: str = project_id()
    model_id: str = setting("The model to call, such as text-embedding-005.")
    max_input_tokens: int | None = truncation.max_input_tokens()
    dimensions: int | None = embedding_settings.dimensions()
    max_batch_size: int | None = setting(
        "The most texts of one call.", default=None, at_least=1, at_most=INPUTS, updatable=True
    )
    similarity: str | None = embedding_settings.similarity()


@settings
class Options:
    """The settings that may change from request to request."""

    auto_truncate: bool | None = setting(
        "Whether Google cuts what is too long, or refuses it.", default=None, updatable=True
    )
    input_type: str | None = embedding_settings.input_type(sorted(filter(None, TASK_TYPES)))


def limits(model: EmbeddingSettings) -> Limits:
    """Google's own limits; Gemini's models take one text a call."""
    most = 1 if model.model_id.startswith("gemini-embedding") else INPUTS
    return Limits(inputs=min(model.max_batch_size or most, most), tokens=TOKENS)


def encode(request: InferenceRequest, model: EmbeddingSettings, options: Options, origin: str) -> Call:
    """The texts, each with what it is for."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    purpose = {"task_type": TASK_TYPES.get(request.input_type or options.input_type)}
    parameters: Mapping[str, Any] = {
        "autoTruncate": options.auto_truncate,
        "outputDimensionality": model.dimensions,
    }
    instances = [present({"content": text, **purpose}) for text in texts]
    body = {"instances": instances, "parameters": present(parameters)}
    return json_call(model_url(model, model.model_id, "predict", origin), body)


class _Vector(msgspec.Struct):
    values: msgspec.Raw = vectors.NONE
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector | None = None


class _Answer(msgspec.Struct):
    predictions: list[_Prediction | None]


def decode(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """The vectors in the order of the texts, which of these were cut, and the tokens that were counted for all."""
    of = f"{OF} response"
    rows = [row and row.embeddings for row in parse(reply.body, _Answer, of=of).predictions]
    statistics = [members(row and row.statistics) for row in rows]
    tokens = [count(told.get("token_count")) for told in statistics]
    usage = None if None in tokens or not tokens else Usage(input=sum(filter(None, tokens)))
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    cut |= {place for place, told in enumerate(statistics) if told.get("truncated") is True}
    told = vectors.embeddings([row and row.values for row in rows], of=of, usage=usage, cut=cut)
    return of_one_length(told, model.model_id, model.dimensions, of=of)


EMBED = Task(
    label=OF,
    settings=EmbeddingSettings,
    options=Options,
    check=check,
    encode=encode,
    decode=decode,
    similarity=lambda model: model.similarity or "dot_product",
    input_types=INPUT_TYPES,
    rates=Rates(default=30_000, group=group, limits=limits),
    failures=FAILURES,
)
