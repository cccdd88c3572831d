"""The meaning of refusals in OpenAI's format, for every service that speaks it; statuses in Elasticsearch's phrases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.http import Reply, parse
from inferpoint.protocols import error_bodies
from inferpoint.protocols.openai.replies import text
from inferpoint.protocols.oversize import Oversize, told_by
from inferpoint.protocols.readers import members
from inferpoint.protocols.service import Failures

# https://platform.openai.com/docs/guides/error-codes. Most have the first for their type, and older servers for their
# code too.
SPENT = frozenset({
    "insufficient_quota", "billing_not_active", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "project_spend_limit_exceeded",
})  # fmt: skip


class _Refusal(msgspec.Struct):
    error: Any = None
    errors: Any = None
    detail: Any = None
    details: Any = None
    message: Any = None
    error_msg: Any = None
    type: Any = None
    error_type: Any = None
    code: Any = None
    error_code: Any = None
    param: Any = None


def complaint(reply: Reply) -> Upstream:
    """The words of an error body, in any of the forms in which servers that speak OpenAI's format write it.

    They stand under `error`, as a string, a list of strings or OpenAI's `{"message", "type", "code", "param"}`; or at
    the top, as `message`, `detail`, `details` or `error_msg`; watsonx lists `errors`; Gemini puts all into a list.
    """
    if reply.body.lstrip()[:1] == b"[":
        refusal = next(iter(parse(reply.body, list[_Refusal], of="error")), _Refusal())
    else:
        refusal = parse(reply.body, _Refusal, of="error")
    words = (refusal.error, refusal.errors, refusal.detail, refusal.message, refusal.error_msg, refusal.details)
    error = members(refusal.error)
    return Upstream(
        reply.status,
        text_of(next((member for member in words if member), "")),
        _name(error.get("type"), text(error.get("status")), refusal.error_type, refusal.type),
        _name(error.get("code"), error.get("http_status_code"), refusal.code, refusal.error_code),
        _name(error.get("param"), refusal.param),
    )


def stands_for(upstream: Upstream) -> Upstream:
    """*upstream* with the status that its code or its type stands for; its own where they tell none."""
    return replace(upstream, status=error_bodies.named(upstream.code, upstream.type, upstream.status))


def _name(*values: Any) -> str | None:
    """The first of *values* that is a name or a number."""
    return next((str(value) for value in values if isinstance(value, str | int) and value != ""), None)


def text_of(words: Any) -> str:
    """The text of an error in whatever form it is written: a string, an object that has it, a list of either, any JSON.

    FastAPI, which many servers are made with, lists what is wrong with a body as objects with a `msg`, Llama Stack
    under `errors`; Elasticsearch has a `reason`.
    """
    match words:
        case str():
            return words
        case {"message": str(text)} | {"msg": str(text)} | {"reason": str(text)}:
            return text
        case {"detail": [_, *_] | str() | {"errors": _} as inner} | {"errors": [_, *_] as inner}:
            return text_of(inner)
        case [_, *_] as parts if all(isinstance(part, str) or _has_words(part) for part in parts):
            return "; ".join(map(text_of, parts))
        case _:  # whatever it is, and however deep
            return msgspec.json.encode(words).decode()


def _has_words(part: Any) -> bool:
    return not {"message", "msg"}.isdisjoint(members(part))


def exhausted(upstream: Upstream) -> bool:
    """Whether a 429 is of money that is spent, and not of a rate that waiting brings back."""
    return upstream.status == 429 and not SPENT.isdisjoint((upstream.type, upstream.code))


FAILURES = Failures(
    complaint=complaint,
    phrases={
        400: "Received a bad request status code",
        404: "Resource not found at [{url}]",
        413: "Received a content too large status code",
        422: "Received an input validation error response",
        503: "Received a server busy error status code",
    },
    exhausted=exhausted,
    # The words of OpenAI, and of servers and gateways that speak its format: Azure, vLLM, Text Embeddings Inference,
    # DashScope, Voyage, llama.cpp, xAI, Text Generation Inference; and Gemini and Vertex AI, which gateways quote.
    oversize=told_by(
        inputs=(
            r"array too long", r"at most [0-9]+ (items|requests)", r"too many (inputs|texts)", r"batch ?size\b",
            r"number of (inputs|texts)", r"instance\(s\) is allowed per prediction",
        ),
        tokens=(
            r"tokens per (submitted )?(request|batch)", r"context length", r"maximum (input|model) length",
            r"maximum request size", r"'input[^']*': string too long", r"too many (input )?tokens",
            r"input token count", r"must have less than [0-9]+ tokens", r"context size", r"maximum prompt length",
            r"prompt is too long", r"`inputs` tokens",
        ),
        codes={
            "array_above_max_length": Oversize.INPUTS,
            "max_tokens_per_request": Oversize.TOKENS,
            "context_length_exceeded": Oversize.TOKENS,
        },
    ),
)  # fmt: skip
# The same of providers who are paid beforehand, in the phrases that Elasticsearch has for theirs.
PREPAID = replace(
    FAILURES,
    phrases={
        400: "Received an input validation error response",
        402: "Payment required",
        422: "Received an input validation error response",
    },
)
