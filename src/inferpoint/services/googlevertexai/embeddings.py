"""Vectors. https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, present, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.gemini.embeddings import INPUT_TYPES, PURPOSES, of_one_length
from inferpoint.protocols.readers import count, members
from inferpoint.protocols.service import Limits, Rates, Task
from inferpoint.services.googlevertexai.account import FAILURES, Account, group, location, model_url, project_id
from inferpoint.services.googlevertexai.tokens import check

OF = "Google Vertex AI embeddings"
INPUTS, TOKENS = 250, 20_000  # of one call
GEMINI, FIRST = "gemini-embedding", "gemini-embedding-001"  # the first of Gemini's is called as those before it


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
    input_type: str | None = embedding_settings.input_type(sorted(PURPOSES))


def limits(model: EmbeddingSettings) -> Limits:
    """Google's own limits; Gemini's models take one text a call."""
    most = 1 if model.model_id.startswith(GEMINI) else INPUTS
    return Limits(inputs=min(model.max_batch_size or most, most), tokens=TOKENS)


def encode(request: InferenceRequest, model: EmbeddingSettings, options: Options, origin: str) -> Call:
    """The texts, each with what it is for; or in the form of newer models, the one."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    purpose = embedding_settings.purpose(request, options, PURPOSES)
    cuts, length = options.auto_truncate, model.dimensions
    parameters = present({"autoTruncate": cuts, "outputDimensionality": length})
    if not model.model_id.startswith(GEMINI) or model.model_id == FIRST:
        instances = [present({"content": text, "task_type": purpose}) for text in texts]
        body: Mapping[str, Any] = {"instances": instances, "parameters": parameters}
        return json_call(model_url(model, model.model_id, "predict", origin), body)
    config = present({**parameters, "taskType": purpose})
    body = {"content": {"parts": [{"text": text} for text in texts]}, "embedContentConfig": config}
    return json_call(model_url(model, model.model_id, "embedContent", origin), body)


class _Vector(msgspec.Struct):
    values: msgspec.Raw = vectors.NONE
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector | None = None


class _Answer(msgspec.Struct, rename="camel"):
    predictions: list[_Prediction | None] | None = None
    embedding: _Vector | None = None
    truncated: Any = None
    usage_metadata: Any = None

    @property
    def rows(self) -> Sequence[_Vector | None]:
        """The vectors, of newer models the one, with the same statistics as those of older ones have."""
        if self.predictions is not None:
            return [row and row.embeddings for row in self.predictions]
        if self.embedding is None:
            return []
        tokens = members(self.usage_metadata).get("promptTokenCount")
        return [_Vector(self.embedding.values, {"token_count": tokens, "truncated": self.truncated})]


def decode(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """The vectors in the order of the texts, which of these were cut, and the tokens that were counted for all."""
    of = f"{OF} response"
    rows = parse(reply.body, _Answer, of=of).rows
    if not rows:
        raise unreadable(of, "it has no embedding")
    statistics = [members(row and row.statistics) for row in rows]
    tokens = [count(told.get("token_count")) for told in statistics]
    usage = None if None in tokens else Usage(input=sum(filter(None, tokens)))
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    cut |= {place for place, told in enumerate(statistics) if told.get("truncated") is True}
    embedded = vectors.embeddings([row and row.values for row in rows], of=of, usage=usage, cut=cut)
    return of_one_length(embedded, model.model_id, model.dimensions, of=of)


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
