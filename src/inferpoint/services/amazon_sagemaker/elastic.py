"""Sparse vectors and rankings, which only the API elastic has; and what dense vectors share with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, parse, present, unreadable
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Ranking, SparseEmbeddings
from inferpoint.protocols import rerank, vectors
from inferpoint.protocols.service import Task
from inferpoint.services.amazon_sagemaker.account import EMBEDDING_RATES, FAILURES, RATES, Account, Options, call, check

SPARSE, RERANKINGS = "Amazon SageMaker sparse embeddings", "Amazon SageMaker rerank"
PURPOSES = frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING})


def inputs(texts: Sequence[str]) -> str | Sequence[str]:
    """The input of a body: one text stands alone."""
    return texts[0] if len(texts) == 1 else texts


def embed(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """The texts for Elasticsearch's own form."""
    body = {"input": inputs(request.texts), "input_type": request.input_type, "task_settings": options.extra}
    return call(model, options, origin, body)


def member(reply: Reply, name: str, shape: Any, of: str) -> Any:
    """The member called *name* of an answer, which must be there."""
    answer = parse(reply.body, dict[str, msgspec.Raw], of=of)
    if name not in answer:
        raise unreadable(of, f"it has no member [{name}]")
    return parse(bytes(answer[name]), shape, of=of)


class _Weights(msgspec.Struct):
    embedding: Mapping[str, float]
    is_truncated: bool = False


def weighed(reply: Reply, _request: InferenceRequest, _model: Account, _options: Options) -> SparseEmbeddings:
    """The weights, and which texts were cut."""
    of = f"{SPARSE} response"
    rows: list[msgspec.Raw] = member(reply, "sparse_embedding", list[msgspec.Raw], of)
    read, errors = vectors.by_row(rows, lambda row: parse(bytes(row), _Weights, of=of))
    return SparseEmbeddings([(row.embedding, row.is_truncated) if row else ({}, False) for row in read], None, errors)


def ranked(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """The documents, and how many of them to answer with what."""
    documents = request.documents
    wanted = {"return_documents": documents.return_documents, "top_n": documents.top_n}
    body = {"input": documents.texts, "query": documents.query, **wanted, "task_settings": options.extra}
    return call(model, options, origin, present(body))


class _Ranked(msgspec.Struct):
    index: int
    relevance_score: float
    text: Any = None


def ranking(reply: Reply, request: InferenceRequest, _model: Account, options: Options) -> Ranking:
    """The documents, best first."""
    of = f"{RERANKINGS} response"
    rows: list[_Ranked] = member(reply, "rerank", list[_Ranked], of)
    plain = [rerank.Row(row.index, row.relevance_score, row.text) for row in rows]
    return rerank.ranking(plain, request.documents, options, of=of, usage=None)


EMBED_SPARSE = Task(
    label=SPARSE,
    settings=Account,
    options=Options,
    check=check(TaskType.SPARSE_EMBEDDING),
    encode=embed,
    decode=weighed,
    input_types=PURPOSES,
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
RERANK = Task(
    label=RERANKINGS,
    settings=Account,
    options=Options,
    check=check(TaskType.RERANK),
    encode=ranked,
    decode=ranking,
    rates=RATES,
    failures=FAILURES,
)
