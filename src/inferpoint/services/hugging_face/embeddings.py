"""Vectors, dense and sparse, of Text Embeddings Inference and of the containers that speak like it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, SparseEmbeddings
from inferpoint.model.settings import settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.service import NoOptions, Task
from inferpoint.services.hugging_face.account import EMBEDDING_RATES, FAILURES, Settings, usage

EMBEDDINGS = "Hugging Face embeddings"
OF = f"{EMBEDDINGS} response"
SPARSE = "Hugging Face sparse embeddings"
OF_SPARSE = f"{SPARSE} response"
SPARSE_TOKENS = 512  # as in Elasticsearch, where no user sets it


@settings
class EmbeddingSettings(Settings):
    """A model of dense vectors."""

    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def embed(request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions, _origin: str) -> Call:
    """The body that every container takes."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return json_call(model.url, {"inputs": texts})


class _Toolkit(msgspec.Struct):
    embeddings: list[msgspec.Raw]


def embeddings(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """The vectors: Text Embeddings Inference answers a list of them, the toolkit an object with that list in it."""
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[msgspec.Raw], of=OF)
    else:
        rows = parse(reply.body, _Toolkit, of=OF).embeddings
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    return vectors.embeddings(rows, of=OF, usage=usage(reply), cut=cut)


def embed_sparse(request: InferenceRequest, model: Settings, _options: NoOptions, _origin: str) -> Call:
    """The body of dense vectors, with inputs cut to what sparse models take."""
    texts, _ = truncation.cut(request.texts, SPARSE_TOKENS)
    return json_call(model.url, {"inputs": texts})


class _Weight(msgspec.Struct):
    index: int
    value: float


def sparse(reply: Reply, request: InferenceRequest, _model: Settings, _options: NoOptions) -> SparseEmbeddings:
    """The weights: Text Embeddings Inference names tokens by their ids, Elasticsearch's own container by their text."""
    _, cut = truncation.cut(request.texts, SPARSE_TOKENS)
    rows, errors = vectors.by_row(parse(reply.body, list[msgspec.Raw], of=OF_SPARSE), _weights)
    return SparseEmbeddings([(row or {}, place in cut) for place, row in enumerate(rows)], usage(reply), errors)


def _weights(row: msgspec.Raw) -> Mapping[str, float]:
    """The weights of one text; a model may find no token in it."""
    text = bytes(row)
    if text.startswith(b"{"):
        return parse(text, dict[str, float], of=OF_SPARSE)
    return {str(token.index): token.value for token in parse(text, list[_Weight], of=OF_SPARSE)}


EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    encode=embed,
    decode=embeddings,
    similarity=lambda model: model.similarity or "cosine",
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
EMBED_SPARSE = Task(
    label=SPARSE,
    settings=Settings,
    options=NoOptions,
    encode=embed_sparse,
    decode=sparse,
    fixed={"max_input_tokens": SPARSE_TOKENS},
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
