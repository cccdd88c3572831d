"""Models in our own process, under the name that Elasticsearch gives to models on its own machines."""

from __future__ import annotations

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.auth import unsigned
from inferpoint.protocols.service import Failures, Question, Rates, Service, Task

EMBEDDINGS = "local embeddings"
OF = f"{EMBEDDINGS} response"
EMBED, LENGTHS = f"local:{TaskType.TEXT_EMBEDDING}", "local:lengths"


@settings
class Settings:
    """An installed model and how much of the machine it may use."""

    model_id: str = setting("The installed model to run; `inferpoint models list` names them.")
    num_threads: int = setting(
        "How many threads work on one batch.", default=1, choices=(1, 2, 4, 8, 16, 32), at_least=1
    )
    num_allocations: int = setting(
        "How many batches are worked on at the same time.", default=1, at_least=1, at_most=64, updatable=True
    )


@settings
class Options:
    """How to treat text that the model cannot take whole."""

    truncate: str | None = setting(
        "Whether a text too long for the model is an error (none, the default) or loses its end (end).",
        default=None,
        choices=("none", "end"),
        updatable=True,
    )


def embed(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """A call to the address that the engine keeps for its own models."""
    body = {
        "model": model.model_id,
        "inputs": request.texts,
        "truncate": options.truncate or "none",
        "num_threads": model.num_threads,
        "num_allocations": model.num_allocations,
    }
    return json_call(EMBED, body)


class _Embeddings(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    tokens: int
    cut: frozenset[int]


def embeddings(reply: Reply, _request: InferenceRequest, _model: Settings, _options: Options) -> Embeddings:
    """The vectors, and which inputs were cut."""
    answer = parse(reply.body, _Embeddings, of=OF)
    return vectors.embeddings(answer.embeddings, of=OF, usage=Usage(input=answer.tokens), cut=answer.cut)


def measure(request: InferenceRequest, model: Settings, _options: Options, _origin: str) -> Call:
    """The call that asks for the lengths of texts by the model's own tokenizer."""
    return json_call(LENGTHS, {"model": model.model_id, "inputs": request.texts, "num_threads": model.num_threads})


class _Lengths(msgspec.Struct):
    lengths: list[float]


def lengths(reply: Reply) -> list[float]:
    """The word pieces of each text as a part of those that the model takes."""
    return parse(reply.body, _Lengths, of="lengths").lengths


class _Refusal(msgspec.Struct):
    error: str


def complaint(reply: Reply) -> Upstream:
    """The sentence that our own transport answers."""
    return Upstream(reply.status, parse(reply.body, _Refusal, of="error").error)


SERVICE = Service(
    name="elasticsearch",
    title="Elasticsearch",
    tasks={
        TaskType.TEXT_EMBEDDING: Task(
            label=EMBEDDINGS,
            settings=Settings,
            options=Options,
            encode=embed,
            decode=embeddings,
            lengths=Question(encode=measure, decode=lengths),
            similarity=lambda _: "cosine",
            rates=Rates(group=lambda model: model.model_id),  # one queue, however many endpoints run it
            failures=Failures(complaint=complaint),
        )
    },
    sign=unsigned,
    missing={
        TaskType.SPARSE_EMBEDDING: (
            "the weights of ELSER come with Elasticsearch alone, and no other model of sparse vectors runs in this"
            " process; the services [hugging_face] and [amazon_sagemaker] call one that is deployed elsewhere"
        ),
        TaskType.RERANK: (
            "no model that ranks runs in this process; the services [hugging_face], [cohere] and [jinaai] call one that"
            " is deployed elsewhere"
        ),
    },
)
