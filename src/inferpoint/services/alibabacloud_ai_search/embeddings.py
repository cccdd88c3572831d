"""Vectors, dense and sparse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.model.http import Call, Reply, parse
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Embeddings, SparseEmbeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.embedding_settings import purpose
from inferpoint.protocols.service import Task
from inferpoint.services.alibabacloud_ai_search.account import EMBEDDING_RATES, FAILURES, Account, call, usage

DENSE, SPARSE = "AlibabaCloud Search embeddings", "AlibabaCloud Search sparse embeddings"
OF_SPARSE = f"{SPARSE} response"
PURPOSES: Mapping[str, str] = {InputType.INGEST: "document", InputType.SEARCH: "query"}


@settings
class EmbeddingSettings(Account):
    """A service of dense vectors."""

    similarity: str | None = embedding_settings.similarity()
    dimensions: int | None = embedding_settings.dimensions_told()
    max_input_tokens: int | None = truncation.max_input_tokens()


@settings
class Options:
    """The settings that may change from request to request."""

    input_type: str | None = embedding_settings.input_type(PURPOSES)


@settings
class SparseOptions(Options):
    """The settings that may change from request to request."""

    return_token: bool | None = setting(
        "Whether weights are told by their tokens, and not by the tokens' ids.", default=None, updatable=True
    )


def dense(request: InferenceRequest, model: EmbeddingSettings, options: Options, _origin: str) -> Call:
    """The body of dense vectors."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return call("text-embedding", model, {"input": texts, "input_type": purpose(request, options, PURPOSES)})


def sparse(request: InferenceRequest, model: Account, options: SparseOptions, _origin: str) -> Call:
    """The body of sparse vectors."""
    body = {
        "input": request.texts,
        "input_type": purpose(request, options, PURPOSES),
        "return_token": options.return_token,
    }
    return call("text-sparse-embedding", model, body)


class _Row(msgspec.Struct):
    embedding: msgspec.Raw = vectors.NONE
    index: Any = None


class _Vectors(msgspec.Struct):
    embeddings: list[_Row | None]


class _Dense(msgspec.Struct):
    result: _Vectors
    usage: Any = None


def vectors_of(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """The vectors, in the order of their indices."""
    of = f"{DENSE} response"
    answer = parse(reply.body, _Dense, of=of)
    rows = [(row.index, row.embedding) if row else (None, None) for row in answer.result.embeddings]
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    return vectors.embeddings(vectors.placed(rows, request.count), of=of, usage=usage(answer.usage), cut=cut)


class _Token(msgspec.Struct):
    weight: float
    token_id: int | None = None
    token: str | None = None


class _Tokens(msgspec.Struct):
    embedding: list[_Token]


class _SparseVectors(msgspec.Struct):
    sparse_embeddings: list[msgspec.Raw]


class _Sparse(msgspec.Struct):
    result: _SparseVectors
    usage: Any = None


def weights_of(reply: Reply, _request: InferenceRequest, _model: Account, _options: SparseOptions) -> SparseEmbeddings:
    """The weights by their tokens' names, or else their ids; no index can hold a name with a dot, or a weight of 0."""
    answer = parse(reply.body, _Sparse, of=OF_SPARSE)
    weights, errors = vectors.by_row(answer.result.sparse_embeddings, _named)
    return SparseEmbeddings([(row or {}, False) for row in weights], usage(answer.usage), errors)


def _named(row: msgspec.Raw) -> Mapping[str, float]:
    tokens = parse(bytes(row), _Tokens, of=OF_SPARSE).embedding
    named = ((str(token.token_id) if token.token is None else token.token, token.weight) for token in tokens)
    return {name: weight for name, weight in named if name and "." not in name and weight > 0}


EMBED = Task(
    label=DENSE,
    settings=EmbeddingSettings,
    options=Options,
    encode=dense,
    decode=vectors_of,
    similarity=lambda model: model.similarity or "dot_product",
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
EMBED_SPARSE = Task(
    label=SPARSE,
    settings=Account,
    options=SparseOptions,
    encode=sparse,
    decode=weights_of,
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
