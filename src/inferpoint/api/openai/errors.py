"""Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`.

https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

from typing import Any

from inferpoint.api.face import Request, Response, Words, error_response
from inferpoint.api.headers import KIND
from inferpoint.errors import InferenceError, Kind
from inferpoint.protocols import sse

_REQUEST = "invalid_request_error"
_SERVER = "server_error"
_NOT_ALLOWED = "Not allowed to {method} on {path}, only to {allowed}"
WORDS = {
    Kind.INVALID: Words(400, _REQUEST),
    Kind.CONTEXT_OVERFLOW: Words(400, _REQUEST, "context_length_exceeded"),
    Kind.UNAUTHENTICATED: Words(401, _REQUEST, "invalid_api_key"),
    Kind.FORBIDDEN: Words(403, _REQUEST),
    Kind.NOT_FOUND: Words(404, _REQUEST, "model_not_found"),
    Kind.NO_ROUTE: Words(404, _REQUEST, "unknown_url", "Invalid URL ({method} {path})"),
    Kind.WRONG_METHOD: Words(405, _REQUEST, "method_not_supported", _NOT_ALLOWED),
    Kind.CONFLICT: Words(409, _REQUEST),
    Kind.TOO_LARGE: Words(413, _REQUEST),
    Kind.UNSUPPORTED: Words(400, _REQUEST, "unsupported"),
    Kind.RATE_LIMITED: Words(429, "rate_limit_error", "rate_limit_exceeded"),
    Kind.OVERLOADED: Words(503, _SERVER, "server_is_overloaded"),
    Kind.TIMED_OUT: Words(408, _SERVER, "timeout"),
    Kind.CUT_OFF: Words(502, _SERVER),
    Kind.UNREADABLE: Words(502, _SERVER),
    Kind.INTERNAL: Words(500, _SERVER),
}


class NotKeptError(InferenceError):
    """A `NOT_FOUND` that is about no model: what the body's member *param* names is not kept here."""

    def __init__(self, problem: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(Kind.NOT_FOUND, problem)
        self.param = param
        self.code = code


def fail(error: InferenceError, _request: Request) -> Response:
    """*error* as a response: its status and its form."""
    return error_response(error, WORDS[error.kind].status, {"error": described(error)})


def status(error: InferenceError) -> int:
    """The HTTP status of *error*."""
    return error_response(error, WORDS[error.kind].status, None).status


def described(error: InferenceError) -> dict[str, Any]:
    """The members of *error*, with a provider's own where it has some."""
    words = WORDS[error.kind]
    name, code, param = words.name, words.code, None
    if isinstance(error, NotKeptError):
        code, param = error.code, error.param
    if (upstream := error.upstream) and error.kind is not Kind.CONTEXT_OVERFLOW:
        name, code, param = upstream.type or name, upstream.code or code, upstream.param
    if error.index is not None:  # the provider's own would be the place in a call of ours
        param = f"input[{error.index}]"
    return {"message": str(error), "type": name, "param": param, "code": code}


def told(error: InferenceError) -> dict[str, Any]:
    """The members of *error* within an answer, whose headers do not tell the kind."""
    return {**described(error), KIND: error.kind.value}


def failed(error: InferenceError) -> bytes:
    """*error* as the last event of a stream that breaks off."""
    return sse.json_event({"error": told(error)})
