"""Vectors, dense and sparse, of models in our own process."""

from __future__ import annotations

import msgspec

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, SparseEmbeddings, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.service import Question, Task
from inferpoint.services.elasticsearch.account import FAILURES, RATES, Settings, check, order, truncate

EMBEDDINGS, SPARSE = "local embeddings", "local sparse embeddings"
OF, OF_SPARSE = f"{EMBEDDINGS} response", f"{SPARSE} response"
LENGTHS = "local:lengths"


@settings
class SparseSettings(Settings):
    """A model of SPLADE's form; Elasticsearch's own, which is meant where none is named, is not to be had."""

    model_id: str = setting(
        "The installed model to run; `inferpoint models list` names them.", default=".elser_model_2"
    )


@settings
class Options:
    """How to treat text that the model cannot take whole."""

    truncate: str | None = truncate("none")


def embed(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """The texts, for dense vectors."""
    return order(TaskType.TEXT_EMBEDDING, model, inputs=request.texts, truncate=options.truncate or "none")


def embed_sparse(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """The texts, for sparse vectors."""
    return order(TaskType.SPARSE_EMBEDDING, model, inputs=request.texts, truncate=options.truncate or "none")


class _Embeddings(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    tokens: int
    cut: frozenset[int]


def embeddings(reply: Reply, _request: InferenceRequest, _model: Settings, _options: Options) -> Embeddings:
    """The vectors, and which inputs were cut."""
    answer = parse(reply.body, _Embeddings, of=OF)
    return vectors.embeddings(answer.embeddings, of=OF, usage=Usage(input=answer.tokens), cut=answer.cut)


def sparse(reply: Reply, _request: InferenceRequest, _model: Settings, _options: Options) -> SparseEmbeddings:
    """The weights, and which inputs were cut."""
    answer = parse(reply.body, _Embeddings, of=OF_SPARSE)

    def weights(row: msgspec.Raw) -> dict[str, float]:
        return parse(bytes(row), dict[str, float], of=OF_SPARSE)

    rows, errors = vectors.by_row(answer.embeddings, weights)
    weighed = [(row or {}, place in answer.cut) for place, row in enumerate(rows)]
    return SparseEmbeddings(weighed, Usage(input=answer.tokens), errors)


def measure(request: InferenceRequest, model: Settings, _options: Options, _origin: str) -> Call:
    """The call that asks for the lengths of texts by the model's own tokenizer."""
    return json_call(LENGTHS, {"model": model.model_id, "inputs": request.texts, "num_threads": model.num_threads})


class _Lengths(msgspec.Struct):
    lengths: list[float]


def lengths(reply: Reply) -> list[float]:
    """The word pieces of each text as a part of those that the model takes."""
    return parse(reply.body, _Lengths, of="lengths").lengths


EMBED = Task(
    label=EMBEDDINGS,
    settings=Settings,
    options=Options,
    check=check,
    encode=embed,
    decode=embeddings,
    lengths=Question(encode=measure, decode=lengths),
    similarity=lambda _: "cosine",
    rates=RATES,
    failures=FAILURES,
)
EMBED_SPARSE = Task(
    label=SPARSE,
    settings=SparseSettings,
    options=Options,
    check=check,
    encode=embed_sparse,
    decode=sparse,
    lengths=Question(encode=measure, decode=lengths),
    rates=RATES,
    failures=FAILURES,
)
