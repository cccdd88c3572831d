"""Contextual AI: rankings that follow an instruction. https://docs.contextual.ai/api-reference/rerank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import rerank
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Origin, RateLimit, Rates, Service, rate_limit


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Contextual AI API key.")
    model_id: str = setting("The model to call, such as ctxl-rerank-v2-instruct-multilingual.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def url(self) -> None:
        """No address but Contextual AI's own."""


@settings
class Options(rerank.Options):
    """The settings that may change from request to request."""

    top_k: int | None = setting("Another name of [top_n].", default=None, at_least=1, updatable=True)
    instruction: str | None = setting("What the ranking is to prefer.", default=None, updatable=True)


def body(request: InferenceRequest, model: Account, options: Options) -> Mapping[str, Any]:
    """Cohere's body with an instruction; texts are never answered."""
    documents = request.documents
    return {
        "query": documents.query,
        "documents": documents.texts,
        "model": model.model_id,
        "top_n": rerank.most(documents, options),
        "instruction": options.instruction,
    }


RATES: Rates[Account] = Rates(default=1000, group=lambda account: account.model_id)
RERANK = replace(rerank.rerank("Contextual AI rerank", Account, RATES, body=body), options=Options)

SERVICE = Service(
    name="contextualai",
    title="Contextual AI",
    tasks={TaskType.RERANK: RERANK},
    sign=bearer,
    origin=Origin(lambda _: "https://api.contextual.ai/v1", "CONTEXTUAL_AI_BASE_URL"),
)
