"""NVIDIA: NIM's embeddings and chats in OpenAI's format, rankings in its own. https://docs.api.nvidia.com/nim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Reply, parse
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.account import Account, group
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import FORMAT, PACKED, embedding
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.rerank import Row, rerank, usage
from inferpoint.protocols.service import Limits, NoOptions, Origin, Rates, Service

INGEST, SEARCH = "ingest", "search"
PURPOSES: Mapping[str, str] = {INGEST: "passage", SEARCH: "query"}
INTEGRATE = "https://integrate.api.nvidia.com/v1"
RERANKINGS = "https://ai.api.nvidia.com/v1/retrieval/nvidia"


@settings
class EmbeddingSettings(Account):
    """An embedding model; it tells itself how long its vectors are."""

    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


@settings
class RerankSettings(Account):
    """A model that ranks, which is at another address."""


@settings
class EmbeddingOptions:
    """The settings that may change from request to request."""

    input_type: str | None = embedding_settings.input_type(PURPOSES)
    truncate: str | None = setting(
        "Which end of an input that is too long is cut off.",
        default=None,
        choices=("none", "start", "end"),
        any_case=True,
        updatable=True,
    )


def members(request: InferenceRequest, _model: EmbeddingSettings, options: EmbeddingOptions) -> Mapping[str, Any]:
    """The purpose, which NVIDIA's models ask for, which end may be cut off, and the form where it is asked for."""
    purpose = embedding_settings.purpose(request, options, PURPOSES, unsaid=InputType.SEARCH)
    truncate = options.truncate and options.truncate.upper()
    return {"input_type": purpose, "truncate": truncate, FORMAT: PACKED if request.packed else None}


def ranked(request: InferenceRequest, model: Account, _options: NoOptions) -> Mapping[str, Any]:
    """NVIDIA's own body: texts are objects, and all of them are ranked."""
    documents = request.documents
    passages = [{"text": text} for text in documents.texts]
    return {"model": model.model_id, "query": {"text": documents.query}, "passages": passages}


class _Ranking(msgspec.Struct):
    index: int
    logit: float


class _Rankings(msgspec.Struct):
    rankings: list[_Ranking]
    usage: Any = None


def rankings(reply: Reply, of: str) -> tuple[Sequence[Row], Usage | None]:
    """The rows, whose scores are logits."""
    answer = parse(reply.body, _Rankings, of=of)
    return [Row(row.index, row.logit) for row in answer.rankings], usage(answer.usage)


def address(account: Account) -> str:
    """NVIDIA's address of the task."""
    return RERANKINGS if isinstance(account, RerankSettings) else INTEGRATE


RATES = Rates(default=3000, group=group)
LIMITS = Limits(inputs=20)
EMBED = replace(
    embedding(
        "NVIDIA embeddings",
        EmbeddingSettings,
        Rates(default=3000, group=group, limits=lambda _: LIMITS),
        members=members,
    ),
    options=EmbeddingOptions,
)
CHAT = replace(
    chat("NVIDIA chat completions", Account, RATES, max_tokens="max_tokens", tells_usage=False),
    options=NoOptions,
    hints=taken(Hint.EFFORT, Hint.THOUGHTS),  # any other is an "Unsupported parameter"
)

SERVICE = Service(
    name="nvidia",
    title="Nvidia",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.RERANK: replace(
            rerank("NVIDIA rerank", RerankSettings, RATES, path="/reranking", body=ranked, read=rankings),
            options=NoOptions,
        ),
        TaskType.COMPLETION: replace(CHAT, label="NVIDIA completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
    origin=Origin(address, "NVIDIA_BASE_URL"),
)
