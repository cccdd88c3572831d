"""Vectors and rankings."""

from __future__ import annotations

from typing import Any

import msgspec

from inferpoint.model.http import Call, Reply, parse, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Ranking, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, rerank, truncation, vectors
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.readers import count
from inferpoint.protocols.service import NoOptions, Task
from inferpoint.services.watsonxai.account import EMBEDDING_RATES, RATES, Account, post

EMBEDDINGS, RERANKINGS = "IBM watsonx embeddings", "IBM watsonx rerank"


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    max_input_tokens: int | None = truncation.max_input_tokens()
    dimensions: int | None = embedding_settings.dimensions_told()
    similarity: str | None = embedding_settings.similarity()


@settings
class RerankOptions(rerank.Options):
    """The settings that may change from request to request."""

    truncate_input_tokens: int | None = setting(
        "The most tokens of a query and a document that are read.", default=None, at_least=1, updatable=True
    )


def embed(request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions, _origin: str) -> Call:
    """The texts, for a project's model."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return post(model, "embeddings", {"inputs": texts, "model_id": model.model_id, "project_id": model.project_id})


class _Row(msgspec.Struct):
    embedding: msgspec.Raw = vectors.NONE


class _Vectors(msgspec.Struct):
    results: list[_Row | None]
    input_token_count: Any = None


def vectors_of(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """The vectors, in the order of the texts."""
    of = f"{EMBEDDINGS} response"
    answer = parse(reply.body, _Vectors, of=of)
    rows = [None if row is None else row.embedding for row in answer.results]
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    return vectors.embeddings(rows, of=of, usage=_usage(answer.input_token_count), cut=cut)


def _usage(told: Any) -> Usage | None:
    tokens = count(told)
    return None if tokens is None else Usage(input=tokens)


def ranked(request: InferenceRequest, model: Account, options: RerankOptions, _origin: str) -> Call:
    """The documents, and how many of them to answer with what."""
    documents = request.documents
    wanted = {"inputs": rerank.with_text(documents, options), "top_n": rerank.most(documents, options)}
    parameters: dict[str, Any] = {"truncate_input_tokens": options.truncate_input_tokens}
    body = {
        "model_id": model.model_id,
        "query": documents.query,
        "inputs": [{"text": text} for text in documents.texts],
        "project_id": model.project_id,
        "parameters": {**present(parameters), "return_options": present(wanted)},
    }
    return post(model, "rerank", body)


class _Ranked(msgspec.Struct):
    index: int
    score: float
    input: Any = None


class _Ranking(msgspec.Struct):
    results: list[_Ranked]
    input_token_count: Any = None


def ranking(reply: Reply, request: InferenceRequest, _model: Account, options: RerankOptions) -> Ranking:
    """The documents, best first."""
    of = f"{RERANKINGS} response"
    answer = parse(reply.body, _Ranking, of=of)
    rows = [rerank.Row(row.index, row.score, row.input) for row in answer.results]
    return rerank.ranking(rows, request.documents, options, of=of, usage=_usage(answer.input_token_count))


EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    encode=embed,
    decode=vectors_of,
    similarity=lambda model: model.similarity or "dot_product",
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
RERANK = Task(
    label=RERANKINGS,
    settings=Account,
    options=RerankOptions,
    encode=ranked,
    decode=ranking,
    independent=True,
    rates=RATES,
    failures=FAILURES,
)
