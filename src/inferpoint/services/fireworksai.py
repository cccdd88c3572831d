"""Fireworks AI: embeddings and chats in OpenAI's format. https://docs.fireworks.ai/api-reference."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.settings import settings
from inferpoint.protocols import embedding_settings, rate_headers, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.account import Account
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import embedding, of_length
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.service import Limits, NoOptions, Origin, Rates, Service


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = embedding_settings.dimensions()
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def group(account: Account) -> Hashable:
    """One queue for a key: Fireworks limits by account."""
    return account.api_key


def similarity(model: EmbeddingSettings) -> str:
    """The cosine, unless the user says otherwise, as in Elasticsearch."""
    return model.similarity or "cosine"


LIMITS = Limits(inputs=256)
EMBED = replace(
    embedding(
        "FireworksAI embeddings",
        EmbeddingSettings,
        Rates(default=6000, group=group, limits=lambda _: LIMITS),
        members=of_length,
    ),
    options=NoOptions,
    similarity=similarity,
)
# Fireworks refuses members that it does not know; of OpenAI's hints its own SDK has these.
CHAT = replace(
    chat("FireworksAI chat completions", Account, Rates(default=6000, group=group)),
    hints=taken(Hint.EFFORT, Hint.THOUGHTS, "metadata", "prompt_cache_key", "service_tier"),
)

SERVICE = Service(
    name="fireworksai",
    title="FireworksAI",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.COMPLETION: replace(CHAT, label="FireworksAI completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
    quota=rate_headers.openai,
    origin=Origin(lambda _: "https://api.fireworks.ai/inference/v1", "FIREWORKS_BASE_URL"),
)
