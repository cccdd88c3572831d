"""Jina AI: embeddings of texts and images in OpenAI's format, rankings in Cohere's. https://api.jina.ai/redoc."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.requests import InferenceRequest, InputType, Media, Medium
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, rerank, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.embeddings import PACKED, embedding
from inferpoint.protocols.openai.failures import PREPAID
from inferpoint.protocols.service import Limits, Origin, RateLimit, Rates, Service, rate_limit

LABEL = "JinaAI embeddings"
MOST_WORDS = 5500  # of all inputs of a call that is chunked late, as in Elasticsearch
PURPOSES: Mapping[str, str] = {
    InputType.INGEST: "retrieval.passage",
    InputType.SEARCH: "retrieval.query",
    InputType.CLASSIFICATION: "classification",
    InputType.CLUSTERING: "separation",
}


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Jina AI API key.")
    model_id: str = setting("The model to call, such as jina-embeddings-v3.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def url(self) -> None:
        """No address but Jina's own."""


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = embedding_settings.dimensions()
    embedding_type: str = embedding_settings.embedding_type("binary", "bit", "float")
    max_input_tokens: int | None = truncation.max_input_tokens()
    similarity: str | None = embedding_settings.similarity()


@settings
class MultimodalSettings(EmbeddingSettings):
    """A model that may take images."""

    multimodal_model: bool = setting("Whether the model takes images beside texts.", default=True)


@settings
class Options:
    """The settings that may change from request to request."""

    input_type: str | None = embedding_settings.input_type(InputType)
    late_chunking: bool | None = setting(
        "Whether the inputs of a call are read as one text, and cut into vectors afterwards.",
        default=None,
        updatable=True,
    )


def group(account: Account) -> Hashable:
    """One queue for a key: Jina limits by account."""
    return account.api_key


def element(model: EmbeddingSettings) -> Element:
    """Floats or bits, which have two names."""
    return Element.FLOAT if model.embedding_type == "float" else Element.BIT


def similarity(model: EmbeddingSettings) -> str:
    """Bits are compared by how many differ."""
    return model.similarity or ("dot_product" if element(model) is Element.FLOAT else "l2_norm")


def media(model: EmbeddingSettings) -> frozenset[Medium]:
    """Images, where the model takes any."""
    takes_images = isinstance(model, MultimodalSettings) and model.multimodal_model
    return frozenset({Medium.IMAGE} if takes_images else ())


def named(content: str | Media) -> Mapping[str, str]:
    """One input under the name of its kind."""
    return {"text": content} if isinstance(content, str) else {content.medium: content.uri}


def members(request: InferenceRequest, model: EmbeddingSettings, options: Options) -> Mapping[str, Any]:
    """The type or form, the purpose, which `jina-clip-v2` knows for searches alone, and whether to chunk late.

    A model that takes several kinds of inputs is told of each its kind.
    """
    purpose = embedding_settings.purpose(request, options, PURPOSES)
    if model.model_id.lower() == "jina-clip-v2" and purpose != PURPOSES[InputType.SEARCH]:
        purpose = None
    late = options.late_chunking
    if late:
        late = isinstance(request.input, tuple) and sum(len(text.split()) for text in request.texts) <= MOST_WORDS
    floats = PACKED if request.packed else "float"
    return {
        "input": [*map(named, request.inputs)] if media(model) else request.inputs,
        "embedding_type": floats if element(model) is Element.FLOAT else "binary",
        "task": purpose,
        "late_chunking": late,
        "dimensions": model.dimensions,
    }


def limits(_model: EmbeddingSettings) -> Limits:
    """The most inputs of a call, as in Elasticsearch."""
    return Limits(inputs=2048)


RATES = Rates(default=2000, group=group)
TEXTS = replace(
    embedding(LABEL, EmbeddingSettings, replace(RATES, limits=limits), members=members, element=element),
    options=Options,
    similarity=similarity,
    input_types=frozenset({InputType.CLASSIFICATION, InputType.CLUSTERING}),
    failures=PREPAID,
)
MULTIMODAL = replace(TEXTS, settings=MultimodalSettings, media=media)
RERANK = replace(rerank.rerank("JinaAI rerank", Account, RATES), failures=PREPAID)

SERVICE = Service(
    name="jinaai",
    title="Jina AI",
    tasks={TaskType.TEXT_EMBEDDING: TEXTS, TaskType.EMBEDDING: MULTIMODAL, TaskType.RERANK: RERANK},
    sign=bearer,
    origin=Origin(lambda _: "https://api.jina.ai/v1", "JINA_BASE_URL"),
)
