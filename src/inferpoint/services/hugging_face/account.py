"""The settings, the rates and the failures that every task has."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, cast

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.http import Reply, parse
from inferpoint.model.results import Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit


@settings
class Settings:
    """One deployed model."""

    api_key: str = secret("The Hugging Face access token.")
    url: str = setting("The address of the inference endpoint, used as it is given.", url=True)
    rate_limit: RateLimit | None = rate_limit()


def group(model: Settings) -> Hashable:
    """One queue for an address and a key, as in Elasticsearch."""
    return model.url, model.api_key


def usage(reply: Reply) -> Usage | None:
    """The tokens that Text Embeddings Inference counted, which only a header tells."""
    tokens = reply.headers.get("x-compute-tokens", "")
    return Usage(input=int(tokens)) if re.fullmatch("[0-9]{1,18}", tokens) else None


class _Refusal(msgspec.Struct):
    error: Any = None
    error_type: str | None = None
    detail: Any = None
    message: str | None = None


def complaint(reply: Reply) -> Upstream:
    """The words of an error body, under `error`, `detail` or `message`: a string, a list of strings or an object."""
    refusal = parse(reply.body, _Refusal, of="error")
    words = next((member for member in (refusal.error, refusal.detail, refusal.message) if member), "")
    error = _members(refusal.error)
    kind, code, param = error.get("type"), error.get("code", error.get("http_status_code")), error.get("param")
    return Upstream(
        reply.status,
        _text(words),
        kind if isinstance(kind, str) else refusal.error_type,
        str(code) if isinstance(code, str | int) else None,
        param if isinstance(param, str) else None,
    )


def _members(error: Any) -> Mapping[str, Any]:
    """The members of an error as OpenAI writes it; none of an error in another form."""
    return cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}


def _text(words: Any) -> str:
    match words:
        case str():
            return words
        case {"message": str(message)}:
            return message
        case [*parts] if all(isinstance(part, str) for part in parts):
            return "; ".join(parts)
        case _:  # whatever it is, and however deep
            return msgspec.json.encode(words).decode()


RATES = Rates(default=3000, group=group)
# Text Embeddings Inference takes 32 inputs a call unless it was started otherwise.
EMBEDDING_RATES = Rates(default=3000, group=group, limits=lambda _: Limits(inputs=32))
FAILURES = Failures(
    complaint=complaint,
    phrases={
        413: "Received a content too large status code",
        502: "Received a rate limit status code",
        503: "Received a rate limit status code",
    },
    # The words of Text Embeddings Inference.
    oversize=told_by(inputs=(r"batch size\b",), tokens=(r"must have less than [0-9]+ tokens",)),
)
