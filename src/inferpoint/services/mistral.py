"""Mistral: embeddings and chats in OpenAI's format. https://docs.mistral.ai/api."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import FORMAT, PACKED, embedding
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.openai.replies import CONTENT
from inferpoint.protocols.service import Limits, NoOptions, Origin, RateLimit, Rates, Service, rate_limit


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Mistral API key.")
    model: str = setting("The model to call, such as mistral-embed.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def model_id(self) -> str:
        """The model, as OpenAI's format has it."""
        return self.model

    @property
    def url(self) -> None:
        """No address but Mistral's own."""


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = embedding_settings.dimensions_told()
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def group(account: Account) -> Hashable:
    """One queue for a model and a key, as in Elasticsearch."""
    return account.model, account.api_key


def with_model(account: Account, model: str) -> Account:
    """The account with another of its models."""
    return replace(account, model=model)


LIMITS = Limits(inputs=96)
EMBED = replace(
    embedding(
        "Mistral embeddings",
        EmbeddingSettings,
        Rates(default=240, group=group, limits=lambda _: LIMITS),
        members=lambda request, _model, _options: {FORMAT: PACKED if request.packed else "float"},
    ),
    options=NoOptions,
)
# Mistral refuses members that it does not know, of which `stream_options` is one; it tells the cost unasked. What a
# model thought it takes as a part of the content.
CHAT = replace(
    chat(
        "Mistral chat completions",
        Account,
        Rates(default=240, group=group),
        max_tokens="max_tokens",
        tells_usage=False,
        thoughts=lambda _account, _origin: CONTENT,
    ),
    options=NoOptions,
    hints=taken(Hint.EFFORT, Hint.THOUGHTS),
    with_model=with_model,
)

SERVICE = Service(
    name="mistral",
    title="Mistral",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.COMPLETION: replace(CHAT, label="Mistral completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
    origin=Origin(lambda _: "https://api.mistral.ai/v1", "MISTRAL_BASE_URL"),
)
