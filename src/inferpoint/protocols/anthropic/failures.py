"""The meaning of Anthropic's refusals, whole and in streams. https://docs.anthropic.com/en/api/errors."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Upstream
from inferpoint.model.http import Event, Reply, parse

STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


# Models from Opus 4.7 on choose among tokens by themselves: "`temperature` is deprecated for this model."
_SAMPLING = re.compile(
    r"`?\b(temperature|top_p|top_k)\b`? (?:is|are|was|has been|cannot|may not|must not)\b.*\bmodel\b"
)


class _Complaint(msgspec.Struct):
    message: str = ""
    type: str | None = None
    details: Any = None


class _Refusal(msgspec.Struct):
    error: _Complaint


def complaint(reply: Reply) -> Upstream:
    """The members of `{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`; details are rare."""
    error = parse(reply.body, _Refusal, of="error").error
    if reply.status == 400 and (setting := _SAMPLING.search(error.message)):
        error.message += f" Leave [{setting[1]}] out of [task_settings] and of the request."
    match error.details:
        case {"error_code": str(code)}:
            return Upstream(reply.status, error.message, error.type, code)
        case _:
            return Upstream(reply.status, error.message, error.type)


def exhausted(upstream: Upstream) -> bool:
    """Whether the month's money is spent, for which Anthropic has the status and the type of a rate limit too.

    https://platform.claude.com/docs/en/api/rate-limits.
    """
    return upstream.code == "enforced_spend_limit_reached"


def in_stream(event: Event) -> Upstream:
    """The refusal that an event of a stream is: its type stands for the status that it would have had.

    An event that is an error by its name may be of any shape; `UNREADABLE` when another is not as documented.
    """
    try:
        refusal = complaint(Reply(500, event.data))
    except InferenceError:
        if event.name != "error":
            raise
        return Upstream(500, event.data.decode("utf-8", "replace").strip())
    return replace(refusal, status=STATUSES.get(refusal.type or "", 500))
