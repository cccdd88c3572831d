"""Elasticsearch's words for what goes wrong: one table from a kind of error to its exception's name and its status."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import msgspec

from inferpoint.api.face import EVENT_STREAM, Answer, Incoming
from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.model.http import Event
from inferpoint.model.settings import numbered
from inferpoint.protocols import sse

_NAMES = {
    (Kind.INVALID, Subject.NONE): ("status_exception", 400),
    (Kind.INVALID, Subject.SETTINGS): ("validation_exception", 400),
    (Kind.INVALID, Subject.REQUEST): ("action_request_validation_exception", 400),
    (Kind.INVALID, Subject.BODY): ("x_content_parse_exception", 400),
    (Kind.INVALID, Subject.MISSING_BODY): ("parse_exception", 400),
    (Kind.INVALID, Subject.ARGUMENT): ("illegal_argument_exception", 400),
    (Kind.INVALID, Subject.MEDIA_TYPE): ("media_type_header_exception", 406),
    (Kind.UNAUTHENTICATED, Subject.NONE): ("security_exception", 401),
    (Kind.FORBIDDEN, Subject.NONE): ("security_exception", 403),
    (Kind.NOT_FOUND, Subject.NONE): ("resource_not_found_exception", 404),
    (Kind.CONFLICT, Subject.EXISTING): ("resource_already_exists_exception", 400),
    (Kind.CONFLICT, Subject.NONE): ("status_exception", 409),
    (Kind.TOO_LARGE, Subject.NONE): ("status_exception", 413),
    (Kind.UNSUPPORTED, Subject.NONE): ("status_exception", 405),
    (Kind.RATE_LIMITED, Subject.NONE): ("es_rejected_execution_exception", 429),
    (Kind.OVERLOADED, Subject.NONE): ("es_rejected_execution_exception", 429),
    # No official client repeats a 408; a 429 they repeat three times, and each time is paid for.
    (Kind.TIMED_OUT, Subject.NONE): ("timeout_exception", 408),
    (Kind.CUT_OFF, Subject.NONE): ("status_exception", 500),
    (Kind.UNREADABLE, Subject.NONE): ("status_exception", 400),
    (Kind.INTERNAL, Subject.NONE): ("status_exception", 500),
}
_NUMBERED = (Subject.SETTINGS, Subject.REQUEST)


def status(error: InferenceError) -> int:
    """The HTTP status: a provider's own below 500; its 5xx become 400, which no client repeats.

    So do those that no answer with a body may have: what follows a 1xx or a 304 is taken for the next answer.
    """
    if error.upstream is not None:
        said = error.upstream.status
        return said if 300 <= said < 500 and said != 304 else 400
    return _NAMES[error.kind, error.subject][1]


def envelope(error: InferenceError, *, trace: bool = False) -> dict[str, Any]:
    """The body of an error, with what caused it and, where asked for, where it was raised."""
    chain = _chain(error)
    body = _described(chain[-1], trace=trace)
    for cause in reversed(chain[:-1]):
        body = {**_described(cause, trace=trace), "caused_by": body}
    return {"error": {"root_cause": [_described(chain[-1], trace=trace)], **body}, "status": status(error)}


def item(error: InferenceError) -> dict[str, Any]:
    """What stands in the place of one input's result, as in the answers of Elasticsearch's `_bulk`."""
    return {"error": _described(error, trace=False), "status": status(error)}


def fail(error: InferenceError, incoming: Incoming) -> Answer:
    """An error as an answer."""
    trace = incoming.query.get("error_trace", "false") != "false"
    return Answer(status(error), msgspec.json.encode(envelope(error, trace=trace)), headers=headers(error))


def fail_stream(error: InferenceError) -> Answer:
    """An error before a stream's first piece: its real status, and one event."""
    return Answer(status(error), event(error), EVENT_STREAM, headers(error))


def event(error: InferenceError) -> bytes:
    """An error as the last event of a stream."""
    return sse.written(Event(msgspec.json.encode(envelope(error)), "error"))


def lost(incoming: Incoming) -> Answer:
    """There is no such path."""
    return _plain(404, f"no handler found for uri [{incoming.path}] and method [{incoming.method}]")


def wrong_method(incoming: Incoming, allowed: Sequence[str]) -> Answer:
    """There is, but not for this method."""
    methods = ", ".join(allowed)
    problem = f"Incorrect HTTP method for uri [{incoming.path}] and method [{incoming.method}], allowed: [{methods}]"
    return _plain(405, problem, {"allow": methods})


def _plain(status: int, problem: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, msgspec.json.encode({"error": problem, "status": status}), headers=headers or {})


def headers(error: InferenceError) -> dict[str, str]:
    """When to try again, where the error says it."""
    return {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after + 0.5)))}


def _chain(error: InferenceError) -> list[InferenceError]:
    found = [error]
    while isinstance(cause := found[-1].__cause__, InferenceError):
        found.append(cause)
    return found


def named(error: InferenceError) -> tuple[str, str]:
    """The name of the exception, and its reason."""
    name = "status_exception" if error.upstream else _NAMES[error.kind, error.subject][0]
    return name, numbered(error.problems) if error.subject in _NUMBERED else str(error)


def _described(error: InferenceError, *, trace: bool) -> dict[str, Any]:
    name, reason = named(error)
    described = {"type": name, "reason": reason}
    if trace:
        described["stack_trace"] = "".join(traceback.format_tb(error.__traceback__))
    return described
