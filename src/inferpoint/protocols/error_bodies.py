"""Errors in the place of answers: a reply of 200 whose body is an error stands for the status of that error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from inferpoint.model.http import NOT_JSON, Reply

LARGEST = 16 * 1024  # bytes; no error is longer, and answers that are longer are not looked at
UNKNOWN = 502  # the status of an error that names none
_IS_STATUS = re.compile("[45][0-9]{2}").fullmatch
# The types of errors that stand for a status, in lower case: those of Anthropic, of OpenAI, of vLLM, of Gemini, and of
# Text Generation and Text Embeddings Inference.
STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "validation": 400,
    "context_length_exceeded": 400,
    "invalid_argument": 400,
    "authenticationerror": 401,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "ratelimiterror": 429,
    "resource_exhausted": 429,
    "unavailable": 503,
    "server_is_overloaded": 503,
    "deadline_exceeded": 504,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "tokenizer": 422,
    "backend": 424,
    "generation": 424,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "unhealthy": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Body(msgspec.Struct):
    """The members by which the errors of all providers are told from their answers."""

    error: Any = None
    object: Any = None
    error_code: Any = None
    error_msg: Any = None
    error_type: Any = None
    code: Any = None
    type: Any = None


def status(reply: Reply) -> int:
    """The status that *reply* stands for: its own, or that of the error which a small body of a 2xx holds."""
    if not 200 <= reply.status < 300 or len(reply.body) > LARGEST or b'"error' not in reply.body:
        return reply.status
    try:
        decoded: _Body | list[_Body] = msgspec.json.decode(reply.body, type=_Body | list[_Body])
    except NOT_JSON:
        return reply.status
    body = decoded if isinstance(decoded, _Body) else next(iter(decoded), _Body())  # Gemini lists its stream's error
    if not (body.error or body.object == "error" or (body.error_code and body.error_msg)):
        return reply.status
    return named(*_names(body.error), body.code, body.error_code, body.error_type, body.type)


def _names(error: Any) -> Sequence[Any]:
    """The members of an *error* that may name it; none of one that is words alone."""
    members: Mapping[str, Any] = cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}
    return [members.get(name) for name in ("code", "http_status_code", "type", "status")]


def named(*names: Any) -> int:
    """The status that an error stands for: that of the first of its *names* (its code, its type) which has one."""
    words = [str(name).lower() for name in names]
    statuses = (int(word) if _IS_STATUS(word) else STATUSES.get(word) for word in words)
    return next((status for status in statuses if status is not None), UNKNOWN)
