"""Hugging Face: Text Embeddings Inference and the inference toolkit. https://huggingface.co/docs/inference-endpoints."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.inference import Embeddings, InferenceRequest, Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Limits, NoOptions, RateLimit, Service, Task, rate_limit

EMBEDDINGS = "Hugging Face embeddings"
OF = f"{EMBEDDINGS} response"


@settings
class Settings:
    """One deployed model."""

    api_key: str = secret("The Hugging Face access token.")
    url: str = setting("The address of the inference endpoint, used as it is given.", url=True)
    rate_limit: RateLimit | None = rate_limit()


def embed(request: InferenceRequest, model: Settings, _options: NoOptions, _origin: str) -> Call:
    """The same body for both containers."""
    return json_call(model.url, {"inputs": request.texts})


class _Toolkit(msgspec.Struct):
    embeddings: list[msgspec.Raw]


def embeddings(reply: Reply, _request: InferenceRequest, _model: Settings, _options: NoOptions) -> Embeddings:
    """Text Embeddings Inference answers a list of vectors, the toolkit an object with that list in it."""
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[msgspec.Raw], of=OF)
    else:
        rows = parse(reply.body, _Toolkit, of=OF).embeddings
    tokens = reply.headers.get("x-compute-tokens", "")
    usage = Usage(input=int(tokens)) if re.fullmatch("[0-9]{1,18}", tokens) else None
    return Embeddings([vectors.dense(row, of=OF) for row in rows], usage)


class _Refusal(msgspec.Struct):
    error: Any = None
    error_type: str | None = None
    detail: Any = None
    message: str | None = None


def complaint(reply: Reply) -> Upstream:
    """Containers differ: a string, a list of strings or an object under `error`, or `detail`, or `message`."""
    said = parse(reply.body, _Refusal, of="error")
    found = next((each for each in (said.error, said.detail, said.message) if each), "")
    return Upstream(reply.status, _words(found), said.error_type)


def _words(found: Any) -> str:
    match found:
        case str():
            return found
        case {"message": str(message)}:
            return message
        case [*parts] if all(isinstance(part, str) for part in parts):
            return "; ".join(parts)
        case _:  # whatever it is, and however deep
            return msgspec.json.encode(found).decode()


def _group(model: Settings) -> Hashable:
    return model.url, model.api_key


EMBED = Task(
    label=EMBEDDINGS,
    settings=Settings,
    options=NoOptions,
    encode=embed,
    decode=embeddings,
    # Text Embeddings Inference takes 32 inputs a call unless it was started otherwise.
    limits=lambda _: Limits(inputs=32),
    default_rate=lambda _: 3000,
    rate_group=_group,
    similarity=lambda _: "cosine",
    phrases={
        413: "Received a content too large status code",
        502: "Received a rate limit status code",
        503: "Received a rate limit status code",
    },
    # A deployment that was scaled to zero answers 502 or 503 until it is awake.
    retried=frozenset({429, 502, 503}),
)

SERVICE = Service(
    name="hugging_face",
    title="Hugging Face",
    tasks={TaskType.TEXT_EMBEDDING: EMBED},
    sign=bearer,
    complaint=complaint,
)
