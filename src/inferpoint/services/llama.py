"""Llama Stack: chats in OpenAI's format, embeddings in one of its own. https://llama-stack.readthedocs.io."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import msgspec
from msgspec.structs import replace as changed

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai import embeddings
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.service import Limits, NoOptions, RateLimit, Rates, Service, Task, rate_limit

EMBEDDINGS = "Llama embeddings"


@settings
class Account:
    """A server, and one of its models."""

    url: str = setting("The address to call, used as it is given.", url=True)
    model_id: str = setting("The model to call, such as all-MiniLM-L6-v2.")
    api_key: str | None = secret("The API key, where the server asks for one.", default=None)
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = embedding_settings.dimensions_told()
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def group(account: Account) -> Hashable:
    """One queue for a model, an address and a key, as in Elasticsearch."""
    return account.model_id, account.url, account.api_key


def encode(request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions, _origin: str) -> Call:
    """Llama Stack's own body."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return json_call(model.url, {"model_id": model.model_id, "contents": texts})


class _Answer(msgspec.Struct):
    embeddings: list[msgspec.Raw]


def decode(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """The vectors, in a list, in an object that has that list, or as newer servers have them, in OpenAI's form."""
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    if b'"data"' in reply.body:
        return changed(embeddings.embeddings(reply, request.count, EMBEDDINGS), cut=cut)
    of = f"{EMBEDDINGS} response"
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[msgspec.Raw], of=of)
    else:
        rows = parse(reply.body, _Answer, of=of).embeddings
    return vectors.embeddings(rows, of=of, cut=cut)


LIMITS = Limits(inputs=20)
EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    encode=encode,
    decode=decode,
    similarity=lambda model: model.similarity or "dot_product",
    rates=Rates(default=3000, group=group, limits=lambda _: LIMITS),
    failures=FAILURES,
)
RATES = Rates(default=3000, group=group)
CHAT = replace(
    chat("Llama chat completions", Account, RATES, max_tokens="max_tokens", tells_usage=False), options=NoOptions
)

SERVICE = Service(
    name="llama",
    title="Llama",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.COMPLETION: replace(CHAT, label="Llama completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
)
