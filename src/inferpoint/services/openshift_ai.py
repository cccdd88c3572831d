"""OpenShift AI: models that vLLM serves, in OpenAI's and Cohere's formats. https://docs.redhat.com."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import embedding, of_length
from inferpoint.protocols.rerank import rerank
from inferpoint.protocols.service import Limits, NoOptions, RateLimit, Rates, Service, rate_limit


@settings
class Account:
    """A server, and the model where it has several."""

    api_key: str = secret("The API key.")
    url: str = setting("The address to call, used as it is given.", url=True)
    model_id: str | None = setting("The model to call, where the server has several.", default=None)
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = embedding_settings.dimensions()
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def group(account: Account) -> Hashable:
    """One queue for a model, an address and a key, as in Elasticsearch."""
    return account.model_id, account.url, account.api_key


RATES = Rates(default=3000, group=group)
LIMITS = Limits(inputs=20)
EMBED = replace(
    embedding(
        "OpenShift AI embeddings",
        EmbeddingSettings,
        Rates(default=3000, group=group, limits=lambda _: LIMITS),
        members=of_length,
    ),
    options=NoOptions,
)
CHAT = replace(
    chat("OpenShift AI chat completions", Account, RATES, max_tokens="max_tokens", tells_usage=False),
    options=NoOptions,
)

SERVICE = Service(
    name="openshift_ai",
    title="OpenShift AI",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.RERANK: rerank("OpenShift AI rerank", Account, RATES),
        TaskType.COMPLETION: replace(CHAT, label="OpenShift AI completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
)
