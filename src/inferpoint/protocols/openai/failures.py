"""The meaning of refusals in OpenAI's format, for every service that speaks it; statuses in Elasticsearch's phrases."""

from __future__ import annotations

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.http import Reply, parse
from inferpoint.protocols.oversize import Oversize, told_by
from inferpoint.protocols.service import Failures

# https://platform.openai.com/docs/guides/error-codes. Most have the first for their type, and older servers for their
# code too.
SPENT = frozenset({
    "insufficient_quota", "billing_not_active", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "project_spend_limit_exceeded",
})  # fmt: skip


class _Error(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _Refusal(msgspec.Struct):
    error: _Error


def complaint(reply: Reply) -> Upstream:
    """The members of `{"error": {"message", "type", "code", "param"}}`."""
    error = parse(reply.body, _Refusal, of="error").error
    code = None if error.code is None else str(error.code)
    return Upstream(reply.status, error.message, error.type, code, error.param)


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
