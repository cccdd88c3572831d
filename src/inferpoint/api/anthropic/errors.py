"""Errors in Anthropic's form. https://docs.anthropic.com/en/api/errors."""

from __future__ import annotations

from typing import Any

from inferpoint.api.anthropic.events import event
from inferpoint.api.face import Request, Response, Words, error_response
from inferpoint.errors import InferenceError, Kind

_REQUEST = "invalid_request_error"
_NOT_ALLOWED = "Not allowed to {method} on {path}, only to {allowed}"
WORDS = {
    Kind.INVALID: Words(400, _REQUEST),
    Kind.CONTEXT_OVERFLOW: Words(400, _REQUEST),
    Kind.UNAUTHENTICATED: Words(401, "authentication_error"),
    Kind.FORBIDDEN: Words(403, "permission_error"),
    Kind.NOT_FOUND: Words(404, "not_found_error"),
    Kind.NO_ROUTE: Words(404, "not_found_error", phrase="No such path: {path}"),
    Kind.WRONG_METHOD: Words(405, _REQUEST, phrase=_NOT_ALLOWED),
    Kind.CONFLICT: Words(409, "conflict_error"),
    Kind.TOO_LARGE: Words(413, "request_too_large"),
    Kind.UNSUPPORTED: Words(400, _REQUEST),
    Kind.RATE_LIMITED: Words(429, "rate_limit_error"),
    Kind.OVERLOADED: Words(529, "overloaded_error"),
    Kind.TIMED_OUT: Words(504, "timeout_error"),
    Kind.CUT_OFF: Words(502, "api_error"),
    Kind.UNREADABLE: Words(502, "api_error"),
    Kind.INTERNAL: Words(500, "api_error"),
}
# What clients that compact a conversation look for, such as Claude Code.
_TOO_LONG = "prompt is too long"
_PAYMENT_REQUIRED = 402


def fail(error: InferenceError, request: Request) -> Response:
    """A response that is *error*."""
    return error_response(error, WORDS[error.kind].status, {"type": "error", **_described(error, request)})


def event_of(error: InferenceError, request: Request) -> bytes:
    """The event in which a stream ends that has begun."""
    return event("error", **_described(error, request))


def _described(error: InferenceError, request: Request) -> dict[str, Any]:
    name, words = WORDS[error.kind].name, str(error)
    if error.kind is Kind.CONTEXT_OVERFLOW and _TOO_LONG not in words.lower():
        words = f"{_TOO_LONG}: {words}"
    if error.upstream is not None and error.upstream.status == _PAYMENT_REQUIRED:
        name = "billing_error"
    return {"error": {"type": name, "message": words}, "request_id": request.request_id}
