"""Vectors of the API's second version. https://docs.cohere.com/reference/embed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.model.endpoint import Element
from inferpoint.model.http import Call, Reply, json_call, parse, unreadable
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Embeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, vectors
from inferpoint.protocols.readers import members
from inferpoint.protocols.rerank import usage
from inferpoint.protocols.service import Limits, Rates, Task
from inferpoint.services.cohere.account import FAILURES, Account, group

EMBEDDINGS = "Cohere embeddings"
OF = f"{EMBEDDINGS} response"
PURPOSES: Mapping[str, str] = {
    InputType.INGEST: "search_document",
    InputType.SEARCH: "search_query",
    InputType.CLASSIFICATION: "classification",
    InputType.CLUSTERING: "clustering",
}
PACKED = "base64"
TYPES = {"float": "float", "int8": "int8", "byte": "int8", "bit": "binary", "binary": "binary"}
ELEMENTS = {"float": Element.FLOAT, "int8": Element.BYTE, "binary": Element.BIT}
SIMILARITIES = {Element.FLOAT: "dot_product", Element.BYTE: "cosine", Element.BIT: "l2_norm"}


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    similarity: str | None = embedding_settings.similarity()
    dimensions: int | None = embedding_settings.dimensions_told()
    max_input_tokens: int | None = setting(
        "The most tokens that an input is to have; Cohere cuts what is longer than its model takes.",
        default=None,
        at_least=1,
        updatable=True,
    )
    embedding_type: str = embedding_settings.embedding_type(*sorted(TYPES))


@settings
class Options:
    """The settings that may change from request to request."""

    input_type: str | None = embedding_settings.input_type(PURPOSES)
    truncate: str | None = setting(
        "Which end of an input that is too long is cut off.",
        default=None,
        choices=("none", "start", "end"),
        any_case=True,
        updatable=True,
    )


def element(model: EmbeddingSettings) -> Element:
    """The element of which each type is a name."""
    return ELEMENTS[TYPES[model.embedding_type]]


def form(request: InferenceRequest, model: EmbeddingSettings) -> str:
    """The name of what vectors are asked for as, and answered under; floats may be packed."""
    return PACKED if request.packed and element(model) is Element.FLOAT else TYPES[model.embedding_type]


def encode(request: InferenceRequest, model: EmbeddingSettings, options: Options, origin: str) -> Call:
    """The texts and their purpose, without which the second version answers nothing."""
    body = {
        "texts": request.texts,
        "model": model.model_id,
        "input_type": embedding_settings.purpose(request, options, PURPOSES, unsaid=InputType.SEARCH),
        "embedding_types": [form(request, model)],
        "truncate": options.truncate and options.truncate.upper(),
    }
    return json_call(model.url or f"{origin}/v2/embed", body)


class _Answer(msgspec.Struct):
    embeddings: dict[str, msgspec.Raw] | list[msgspec.Raw]
    meta: Any = None


def decode(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """The vectors of the type that was asked for; those of the first version have none."""
    answer = parse(reply.body, _Answer, of=OF)
    kind = form(request, model)
    rows = answer.embeddings
    if isinstance(rows, dict):
        if kind not in rows:
            raise unreadable(OF, f"it has no embeddings of the type [{kind}]")
        rows = parse(bytes(rows[kind]), list[msgspec.Raw], of=OF)
    cost = usage(members(answer.meta).get("billed_units"))
    told = vectors.embeddings(rows, of=OF, usage=cost, packed=kind == PACKED)
    return vectors.of_integers(told, element(model), of=OF)


EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=Options,
    encode=encode,
    decode=decode,
    input_types=frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING}),
    similarity=lambda model: model.similarity or SIMILARITIES[element(model)],
    element=element,
    rates=Rates(default=10_000, group=group, limits=lambda _: Limits(inputs=96)),
    failures=FAILURES,
)
