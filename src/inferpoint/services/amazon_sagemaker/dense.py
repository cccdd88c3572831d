"""Dense vectors."""

from __future__ import annotations

import msgspec

from inferpoint.errors import Subject, invalid
from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, vectors
from inferpoint.protocols.openai import embeddings
from inferpoint.protocols.service import Task
from inferpoint.services.amazon_sagemaker import elastic
from inferpoint.services.amazon_sagemaker.account import (
    ELASTIC,
    EMBEDDING_RATES,
    FAILURES,
    OPENAI,
    Account,
    OpenAIOptions,
    Options,
    call,
    check,
)

EMBEDDINGS = "Amazon SageMaker embeddings"
_MEMBERS = {Element.FLOAT: "text_embedding", Element.BYTE: "text_embedding_bytes", Element.BIT: "text_embedding_bits"}
_SIMILARITIES = {Element.FLOAT: "cosine", Element.BYTE: "cosine", Element.BIT: "l2_norm"}


@settings
class EmbeddingSettings(Account):
    """A model of dense vectors."""

    dimensions: int | None = setting(
        "The length of the model's vectors; the API openai is asked for it.", default=None, at_least=1
    )
    similarity: str | None = embedding_settings.similarity()
    element_type: str | None = setting(
        "The type of the vectors' numbers, which the API elastic needs.", default=None, choices=tuple(Element)
    )

    @property
    def element(self) -> Element:
        """What the vectors' numbers are."""
        return Element(self.element_type or Element.FLOAT)


def dense_check(model: EmbeddingSettings, options: Options) -> tuple[str, ...]:
    """What every task checks, and that the type of numbers is known where there are several."""
    if model.api == ELASTIC and model.element_type is None:
        problem = "[service_settings] does not contain the required setting [element_type]"
        raise invalid(problem, subject=Subject.SETTINGS)
    if model.api == OPENAI and model.element is not Element.FLOAT:
        problem = f"[service_settings] Invalid value [{model.element_type}]: the api [{OPENAI}] has [float] only"
        raise invalid(problem, subject=Subject.SETTINGS)
    return check(TaskType.TEXT_EMBEDDING)(model, options)


def embed(request: InferenceRequest, model: EmbeddingSettings, options: OpenAIOptions, origin: str) -> Call:
    """The texts, in either form."""
    if model.api == ELASTIC:
        return elastic.embed(request, model, options, origin)
    body = {"input": elastic.inputs(request.texts), "user": options.user, "dimensions": model.dimensions}
    return call(model, options, origin, body)


class _Row(msgspec.Struct):
    embedding: msgspec.Raw = vectors.NONE


def embedded(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """The vectors, of floats or of signed bytes."""
    if model.api == OPENAI:
        return embeddings.embeddings(reply, request.count, EMBEDDINGS)
    of = f"{EMBEDDINGS} response"
    rows: list[_Row | None] = elastic.member(reply, _MEMBERS[model.element], list[_Row | None], of)
    dense = vectors.embeddings([row and row.embedding for row in rows], of=of)
    return vectors.of_integers(dense, model.element, of=of)


EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=OpenAIOptions,
    check=dense_check,
    encode=embed,
    decode=embedded,
    input_types=elastic.PURPOSES,
    similarity=lambda model: (
        model.similarity or ("dot_product" if model.api == OPENAI else _SIMILARITIES[model.element])
    ),
    element=lambda model: model.element,
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
