"""Elasticsearch's words for what goes wrong: one table from a kind of error to its exception's name and its status."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.api.face import EVENT_STREAM, Request, Response, Words, json_response
from inferpoint.api.headers import KIND, error_headers
from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.model.privileges import MANAGE
from inferpoint.model.wording import numbered
from inferpoint.protocols import sse

_WRONG_METHOD = "Incorrect HTTP method for uri [{path}] and method [{method}], allowed: [{allowed}]"
WORDS = {
    Kind.INVALID: Words(400, "status_exception"),
    Kind.CONTEXT_OVERFLOW: Words(400, "status_exception"),
    Kind.UNAUTHENTICATED: Words(401, "security_exception"),
    Kind.FORBIDDEN: Words(403, "security_exception"),
    Kind.NOT_FOUND: Words(404, "resource_not_found_exception"),
    Kind.NO_ROUTE: Words(404, "status_exception", phrase="no handler found for uri [{path}] and method [{method}]"),
    Kind.WRONG_METHOD: Words(405, "status_exception", phrase=_WRONG_METHOD),
    Kind.CONFLICT: Words(409, "status_exception"),
    Kind.TOO_LARGE: Words(413, "status_exception"),
    Kind.UNSUPPORTED: Words(405, "status_exception"),
    Kind.RATE_LIMITED: Words(429, "es_rejected_execution_exception"),
    Kind.OVERLOADED: Words(429, "es_rejected_execution_exception"),
    # No official client repeats a 408; a 429 they repeat three times, and each time is paid for.
    Kind.TIMED_OUT: Words(408, "timeout_exception"),
    Kind.CUT_OFF: Words(500, "status_exception"),
    Kind.UNREADABLE: Words(400, "status_exception"),
    Kind.INTERNAL: Words(500, "status_exception"),
}
# What an error is about, where that has words of its own; they go before those of its kind.
_OF_SUBJECTS: Mapping[Subject, Words] = {
    Subject.SETTINGS: Words(400, "validation_exception"),
    Subject.REQUEST: Words(400, "action_request_validation_exception"),
    Subject.BODY: Words(400, "x_content_parse_exception"),
    Subject.MISSING_BODY: Words(400, "parse_exception"),
    Subject.ARGUMENT: Words(400, "illegal_argument_exception"),
    Subject.MEDIA_TYPE: Words(406, "media_type_header_exception"),
    Subject.EXISTING: Words(400, "resource_already_exists_exception"),
}
_NUMBERED = (Subject.SETTINGS, Subject.REQUEST)


def status(error: InferenceError) -> int:
    """The HTTP status: a provider's own below 500; its 5xx become 400, which no client repeats.

    So do those that no answer with a body may have: what follows a 1xx or a 304 is taken for the next answer.
    """
    if error.upstream is not None:
        theirs = error.upstream.status
        return theirs if 300 <= theirs < 500 and theirs != 304 else 400
    return _words(error).status


def envelope(error: InferenceError, *, trace: bool = False) -> dict[str, Any]:
    """The body of an error, with what caused it and, where asked for, where it was raised."""
    chain = _chain(error)
    body = _described(chain[-1], trace=trace)
    for cause in reversed(chain[:-1]):
        body = {**_described(cause, trace=trace), "caused_by": body}
    return {"error": {"root_cause": [_described(chain[-1], trace=trace)], **body}, "status": status(error)}


def item(error: InferenceError) -> dict[str, Any]:
    """An error in the place of one input's result, as in the answers of Elasticsearch's `_bulk`."""
    return _kind_told({"error": _described(error, trace=False), "status": status(error)}, error)


def fail(error: InferenceError, request: Request) -> Response:
    """An error as a response: an exception, or a sentence alone where no route is for the request or its content."""
    if WORDS[error.kind].phrase or error.subject is Subject.MEDIA_TYPE:
        return json_response({"error": str(error), "status": status(error)}, status(error))
    trace = request.query.get("error_trace", "false") != "false" and MANAGE in request.caller.privileges
    return json_response(envelope(error, trace=trace), status(error), error_headers(error))


def refusal_body(status: int, reason: str) -> bytes:
    """The body of an answer to what was no request."""
    error = {"type": "status_exception", "reason": reason}
    return msgspec.json.encode({"error": {"root_cause": [error], **error}, "status": status})


def fail_stream(error: InferenceError) -> Response:
    """An error before a stream's first piece: its real status, and one event."""
    return Response(status(error), event(error), EVENT_STREAM, error_headers(error))


def event(error: InferenceError) -> bytes:
    """An error as the last event of a stream."""
    return sse.json_event(_kind_told(envelope(error), error), "error")


def _kind_told(body: dict[str, Any], error: InferenceError) -> dict[str, Any]:
    return {**body, "error": {**body["error"], KIND: error.kind.value}}


def _chain(error: InferenceError) -> list[InferenceError]:
    chain = [error]
    while isinstance(cause := chain[-1].__cause__, InferenceError):
        chain.append(cause)
    return chain


def _words(error: InferenceError) -> Words:
    return _OF_SUBJECTS.get(error.subject) or WORDS[error.kind]


def named(error: InferenceError) -> tuple[str, str]:
    """The name of the exception, and its reason."""
    name = "status_exception" if error.upstream else _words(error).name
    return name, numbered(error.problems) if error.subject in _NUMBERED else str(error)


def _described(error: InferenceError, *, trace: bool) -> dict[str, Any]:
    name, reason = named(error)
    described = {"type": name, "reason": reason}
    if trace:
        described["stack_trace"] = "".join(traceback.format_tb(error.__traceback__))
    return described
