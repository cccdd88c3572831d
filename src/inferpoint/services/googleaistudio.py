"""Google AI Studio: the Gemini API. https://ai.google.dev/api."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.auth import header
from inferpoint.protocols.gemini import replies, requests, thinking
from inferpoint.protocols.gemini.embeddings import INPUT_TYPES, PURPOSES, of_one_length
from inferpoint.protocols.gemini.failures import failures
from inferpoint.protocols.gemini.stream import Answers
from inferpoint.protocols.service import Limits, NoOptions, Origin, RateLimit, Rates, Service, Task, rate_limit

ADDRESS = "https://generativelanguage.googleapis.com"
EMBEDDINGS, COMPLETIONS = "Google AI Studio embeddings", "Google AI Studio completion"
INPUTS = 100


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The key of the Gemini API.")
    model_id: str = setting("The model to call, such as gemini-2.5-flash.")
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    max_input_tokens: int | None = truncation.max_input_tokens()
    dimensions: int | None = embedding_settings.dimensions()
    similarity: str | None = embedding_settings.similarity()


def url(origin: str, model: str, method: str) -> str:
    """The address of a *method* of *model*."""
    return f"{origin}/v1/models/{quote(model, safe='')}:{method}"


def embed(request: InferenceRequest, model: EmbeddingSettings, options: NoOptions, origin: str) -> Call:
    """A request for each text, with what it is for."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    asked = present(
        {
            "model": f"models/{model.model_id}",
            "outputDimensionality": model.dimensions,
            "taskType": embedding_settings.purpose(request, options, PURPOSES),
        }
    )
    asking = [{**asked, "content": {"parts": [{"text": text}]}} for text in texts]
    return json_call(url(origin, model.model_id, "batchEmbedContents"), {"requests": asking})


class _Row(msgspec.Struct):
    values: msgspec.Raw = vectors.NONE


class _Vectors(msgspec.Struct, rename="camel"):
    embeddings: list[_Row | None]
    usage_metadata: Any = None


def vectors_of(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """The vectors, in the order of the texts."""
    of = f"{EMBEDDINGS} response"
    answer = parse(reply.body, _Vectors, of=of)
    rows = [None if row is None else row.values for row in answer.embeddings]
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    told = vectors.embeddings(rows, of=of, usage=replies.spent(answer.usage_metadata), cut=cut)
    return of_one_length(told, model.model_id, model.dimensions, of=of)


def complete(request: InferenceRequest, account: Account, _options: NoOptions, origin: str) -> Call:
    """A conversation, whose model is in the address."""
    model = request.conversation.model or account.model_id
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return json_call(url(origin, model, method), requests.request_body(request, model))


def group(account: Account) -> Hashable:
    """One queue for a model, as in Elasticsearch."""
    return account.model_id


FAILURES = failures("Google AI Studio")
EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    encode=embed,
    decode=vectors_of,
    similarity=lambda model: model.similarity or "dot_product",
    input_types=INPUT_TYPES,
    rates=Rates(default=360, group=group, limits=lambda _: Limits(inputs=INPUTS)),
    failures=FAILURES,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=NoOptions,
    encode=complete,
    decode=partial(replies.completion, COMPLETIONS),
    reader=lambda _: Answers(COMPLETIONS),
    hints=lambda account, _origin: thinking.hints(account.model_id),
    with_model=lambda account, model: replace(account, model_id=model),
    rates=Rates(default=360, group=group),
    failures=FAILURES,
)

SERVICE = Service(
    name="googleaistudio",
    title="Google AI Studio",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.COMPLETION: COMPLETE},
    sign=header("x-goog-api-key"),
    origin=Origin(lambda _: ADDRESS, "GOOGLE_GEMINI_BASE_URL"),
)
