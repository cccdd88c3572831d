"""Embeddings: InvokeModel, with a body that each provider has for itself.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.errors import Subject, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Embeddings, Usage
from inferpoint.model.settings import settings
from inferpoint.protocols import truncation, vectors
from inferpoint.protocols.readers import count
from inferpoint.protocols.service import Limits, NoOptions, Task
from inferpoint.services.amazonbedrock import account
from inferpoint.services.amazonbedrock.account import Account
from inferpoint.services.amazonbedrock.batches import InvocationJobs

EMBEDDINGS = "Amazon Bedrock embeddings"
OF = f"{EMBEDDINGS} response"
_COUNT = re.compile(r"[0-9]{1,15}")
PURPOSES = {
    InputType.INGEST: "search_document",
    InputType.SEARCH: "search_query",
    InputType.CLASSIFICATION: "classification",
    InputType.CLUSTERING: "clustering",
}


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    max_input_tokens: int | None = truncation.max_input_tokens()


@dataclass(frozen=True)
class Format:
    """One provider's form of a request and of an answer, and how many texts a call takes."""

    ask: Callable[[InferenceRequest], dict[str, Any]]
    read: Callable[[Reply], Embeddings]
    inputs: int


def _ask_titan(request: InferenceRequest) -> dict[str, Any]:
    if request.input_type in (InputType.CLASSIFICATION, InputType.CLUSTERING):
        raise invalid(
            f"Invalid input_type [{request.input_type}]."
            " The input_type option is not supported for provider [amazontitan]",
            subject=Subject.SETTINGS,
        )
    return {"inputText": request.texts[0]}


class _Titan(msgspec.Struct, rename="camel"):
    embedding: msgspec.Raw
    input_text_token_count: Any = None


def _read_titan(reply: Reply) -> Embeddings:
    answer = parse(reply.body, _Titan, of=OF)
    tokens = count(answer.input_text_token_count)
    return vectors.embeddings([answer.embedding], of=OF, usage=None if tokens is None else Usage(input=tokens))


def _ask_cohere(request: InferenceRequest) -> dict[str, Any]:
    return {"texts": request.texts, "input_type": PURPOSES[request.input_type or InputType.INGEST]}


class _Cohere(msgspec.Struct):
    embeddings: msgspec.Raw


class _ByType(msgspec.Struct):
    float: list[msgspec.Raw]


def _read_cohere(reply: Reply) -> Embeddings:
    """A list of vectors or, by type, an object with that list in it."""
    member = bytes(parse(reply.body, _Cohere, of=OF).embeddings)
    rows = parse(member, _ByType, of=OF).float if member.startswith(b"{") else parse(member, list[msgspec.Raw], of=OF)
    tokens = reply.headers.get("x-amzn-bedrock-input-token-count", "")
    usage = Usage(input=int(tokens)) if _COUNT.fullmatch(tokens) else None
    return vectors.embeddings(rows, of=OF, usage=usage)


FORMATS = {
    "amazontitan": Format(_ask_titan, _read_titan, inputs=1),
    "cohere": Format(_ask_cohere, _read_cohere, inputs=96),
}


def check(model: Account, _options: NoOptions) -> Sequence[str]:
    """`INVALID` when the provider has no such models."""
    account.refuse_unavailable(model, TaskType.TEXT_EMBEDDING, tuple(FORMATS))
    return ()


def embed(request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions, origin: str) -> Call:
    """A call of the model itself, in the body of its provider."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    body = FORMATS[model.provider].ask(msgspec.structs.replace(request, input=texts))
    call = json_call(account.operation(model, origin, "invoke"), body)
    return call.with_headers({"accept": "application/json"})


def embeddings(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """The vectors in the form that the provider's models answer."""
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    return replace(FORMATS[model.provider].read(reply), cut=cut)


EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    check=check,
    encode=embed,
    decode=embeddings,
    input_types=frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING}),
    similarity=lambda _: "cosine",
    batches=InvocationJobs("InvokeModel"),
    rates=account.rates(lambda model: Limits(inputs=FORMATS[model.provider].inputs)),
    failures=account.FAILURES,
)
