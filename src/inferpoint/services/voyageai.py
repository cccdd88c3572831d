"""Voyage AI: embeddings nearly in OpenAI's format, rankings nearly in Cohere's. https://docs.voyageai.com/reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import Reply, parse
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, rerank, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.embeddings import FORMAT, PACKED, embedding
from inferpoint.protocols.openai.failures import PREPAID
from inferpoint.protocols.service import Limits, Origin, RateLimit, Rates, Service, rate_limit

PURPOSES: Mapping[str, str] = {InputType.INGEST: "document", InputType.SEARCH: "query"}
TYPES = {"float": "float", "int8": "int8", "byte": "int8", "bit": "binary", "binary": "binary"}
ELEMENTS = {"float": Element.FLOAT, "int8": Element.BYTE, "binary": Element.BIT}
# Tokens that a call may hold (docs.voyageai.com/reference/embeddings-api), and how many inputs.
TOKENS = {"voyage-3.5-lite": 1_000_000, "voyage-3-lite": 1_000_000, "voyage-3.5": 320_000, "voyage-3": 320_000}
FEWEST_TOKENS, INPUTS = 120_000, 1000


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Voyage AI API key.")
    model_id: str = setting("The model to call, such as voyage-3-large.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def url(self) -> None:
        """No address but Voyage's own."""


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    similarity: str | None = embedding_settings.similarity()
    dimensions: int | None = embedding_settings.dimensions()
    max_input_tokens: int | None = truncation.max_input_tokens()
    embedding_type: str = embedding_settings.embedding_type(*sorted(TYPES))


def truncated() -> Any:
    """The declaration of the setting `truncation`."""
    return setting("Whether Voyage cuts what is too long, or refuses it.", default=None, updatable=True)


@settings
class Options:
    """The settings that may change from request to request."""

    input_type: str | None = embedding_settings.input_type(PURPOSES)
    truncation: bool | None = truncated()


@settings
class RerankOptions:
    """The settings that may change from request to request."""

    return_documents: bool | None = setting(
        "Whether to answer the text of each document with its score.", default=None, updatable=True
    )
    top_k: int | None = setting("How many of the best documents to answer.", default=None, at_least=1, updatable=True)
    truncation: bool | None = truncated()


def group(account: Account) -> Hashable:
    """One queue for a key: Voyage limits by account."""
    return account.api_key


def element(model: EmbeddingSettings) -> Element:
    """The element of which each type is a name."""
    return ELEMENTS[TYPES[model.embedding_type]]


def similarity(model: EmbeddingSettings) -> str:
    """Bits are compared by how many differ."""
    return model.similarity or ("l2_norm" if element(model) is Element.BIT else "dot_product")


def limits(model: EmbeddingSettings) -> Limits:
    """Voyage's own limits of a call, which are its model's."""
    return Limits(inputs=INPUTS, tokens=TOKENS.get(model.model_id, FEWEST_TOKENS))


def members(request: InferenceRequest, model: EmbeddingSettings, options: Options) -> Mapping[str, Any]:
    """The purpose, and under Voyage's names the length that was set, the type, and the form of floats if asked for."""
    packed = request.packed and element(model) is Element.FLOAT
    return {
        "input_type": embedding_settings.purpose(request, options, PURPOSES),
        "truncation": options.truncation,
        "output_dimension": model.dimensions,
        "output_dtype": TYPES[model.embedding_type],
        FORMAT: PACKED if packed else None,
    }


def body(request: InferenceRequest, model: Account, options: RerankOptions) -> Mapping[str, Any]:
    """Cohere's body, in which `top_n` has another name."""
    asked = dict(rerank.asked(request, model, options))
    return {**asked, "top_n": None, "top_k": asked["top_n"], "truncation": options.truncation}


class _Answer(msgspec.Struct):
    data: list[rerank.Row]
    usage: Any = None


def ranked(reply: Reply, of: str) -> tuple[Sequence[rerank.Row], Usage | None]:
    """The rows, which have another name."""
    answer = parse(reply.body, _Answer, of=of)
    return answer.data, rerank.usage(answer.usage)


EMBED = replace(
    embedding(
        "Voyage AI embeddings",
        EmbeddingSettings,
        Rates(default=2000, group=group, limits=limits),
        members=members,
        element=element,
    ),
    options=Options,
    similarity=similarity,
    failures=PREPAID,
)
RERANK = replace(
    rerank.rerank("Voyage AI rerank", Account, Rates(default=2000, group=group), body=body, read=ranked),
    options=RerankOptions,
    failures=PREPAID,
)

SERVICE = Service(
    name="voyageai",
    title="Voyage AI",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.RERANK: RERANK},
    sign=bearer,
    origin=Origin(lambda _: "https://api.voyageai.com/v1", "VOYAGE_BASE_URL"),
)
