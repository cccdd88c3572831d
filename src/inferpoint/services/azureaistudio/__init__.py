"""Azure AI Studio: models of several makers, deployed at addresses of their own. https://learn.microsoft.com/azure/ai-foundry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, rate_headers, truncation
from inferpoint.protocols.openai.embeddings import embedding
from inferpoint.protocols.rerank import rerank
from inferpoint.protocols.service import Limits, Rates, Service
from inferpoint.services.azureaistudio.account import RATES, Account, address, check, passed_on, sign
from inferpoint.services.azureaistudio.completion import COMPLETE

PURPOSES: Mapping[str, str] = {InputType.INGEST: "document", InputType.SEARCH: "query"}


@settings
class EmbeddingSettings(Account):
    """A deployed embedding model."""

    dimensions: int | None = embedding_settings.dimensions()
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()

    @property
    @override
    def path(self) -> str:
        return "/v1/embeddings"


@settings
class RerankSettings(Account):
    """A deployed model that ranks."""

    @property
    @override
    def path(self) -> str:
        return "/v1/rerank"


@settings
class EmbeddingOptions:
    """The settings that may change from request to request."""

    user: str | None = setting("The end user a request is made for.", default=None, updatable=True)


def members(request: InferenceRequest, model: EmbeddingSettings, options: EmbeddingOptions) -> Mapping[str, Any]:
    """The purpose, the length and the end user, if they are set."""
    purpose = embedding_settings.purpose(request, options, PURPOSES)
    return {"user": options.user, "dimensions": model.dimensions, "input_type": purpose}


LIMITS = Limits(inputs=2048)
PLAIN = embedding(
    "Azure AI Studio embeddings",
    EmbeddingSettings,
    Rates(default=240, group=address, limits=lambda _: LIMITS),
    members=members,
)


def encode(request: InferenceRequest, model: EmbeddingSettings, options: EmbeddingOptions, origin: str) -> Call:
    """The end user is a member that of all models' endpoints OpenAI's alone have."""
    call = PLAIN.encode(request, model, options, origin)
    return call if options.user is None or model.provider == "openai" else passed_on(call)


EMBED = replace(PLAIN, encode=encode, options=EmbeddingOptions, check=check("text_embedding"))
RERANK = replace(rerank("Azure AI Studio rerank", RerankSettings, RATES), check=check("rerank"))

SERVICE = Service(
    name="azureaistudio",
    title="Azure AI Studio",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.RERANK: RERANK, TaskType.COMPLETION: COMPLETE},
    sign=sign,
    quota=rate_headers.openai,
)
