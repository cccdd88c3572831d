"""Anthropic's `POST /v1/messages` over chat endpoints: `model` is an inference id. Both versions are taken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.api import fields, repeats
from inferpoint.api.anthropic import read, write
from inferpoint.api.end_user import asked_for
from inferpoint.api.face import EVENT_STREAM, Answer, Face, Incoming, Route
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import Completion, Delta, InferenceRequest

_WORDS = {
    Kind.INVALID: (400, "invalid_request_error"),
    Kind.UNAUTHENTICATED: (401, "authentication_error"),
    Kind.FORBIDDEN: (403, "permission_error"),
    Kind.NOT_FOUND: (404, "not_found_error"),
    Kind.CONFLICT: (409, "conflict_error"),
    Kind.TOO_LARGE: (413, "request_too_large"),
    Kind.UNSUPPORTED: (400, "invalid_request_error"),
    Kind.RATE_LIMITED: (429, "rate_limit_error"),
    Kind.OVERLOADED: (529, "overloaded_error"),
    Kind.TIMED_OUT: (504, "timeout_error"),
    Kind.CUT_OFF: (502, "api_error"),
    Kind.UNREADABLE: (502, "api_error"),
    Kind.INTERNAL: (500, "api_error"),
}


async def messages(engine: Engine, incoming: Incoming) -> Answer:
    """The next message of a conversation, whole or streamed."""
    body = fields.body(incoming)
    model, streamed = body.need("model", str), body.take("stream", bool)
    asked = read.asked(body)
    request = InferenceRequest(
        asked.talk,
        options=asked.options,
        params=asked.params,
        caller=incoming.caller,
        request_id=incoming.request_id,
        journey=incoming.journey,
    )
    request = asked_for(engine, model, request, asked.user)
    name = f"msg_{incoming.request_id}"
    if not streamed:
        result = await engine.infer(model, request, TaskType.CHAT_COMPLETION)
        assert isinstance(result, Completion)
        return Answer(body=msgspec.json.encode(write.message(result, name, model)))
    pieces = engine.stream(model, request, TaskType.CHAT_COMPLETION)
    first = await anext(pieces)  # an error before it has its own status
    events = _events(write.Events(name, model), first, pieces, incoming)
    return Answer(content_type=EVENT_STREAM, headers={"cache-control": "no-cache"}, pieces=events)


async def _events(
    writing: write.Events, first: Sequence[Delta], pieces: AsyncGenerator[Sequence[Delta], None], incoming: Incoming
) -> AsyncGenerator[bytes, None]:
    """`message_stop` only after a whole answer; a broken one ends in an error."""
    try:
        yield writing.feed(first)
        async for deltas in pieces:
            yield writing.feed(deltas)
        yield writing.end()
    except InferenceError as error:
        yield write.event("error", **_described(_WORDS[error.kind][1], str(error), incoming))
    finally:
        await pieces.aclose()


def fail(error: InferenceError, incoming: Incoming) -> Answer:
    """An error in Anthropic's form."""
    ours, kind = _WORDS[error.kind]
    status = repeats.status(error, ours)
    return _failed(status, _described(kind, str(error), incoming), repeats.headers(error, status))


def lost(incoming: Incoming) -> Answer:
    """There is no such path."""
    return _failed(404, _described("not_found_error", f"No such path: {incoming.path}", incoming))


def wrong_method(incoming: Incoming, allowed: Sequence[str]) -> Answer:
    """There is, but not for this method."""
    methods = ", ".join(allowed)
    problem = f"Not allowed to {incoming.method} on {incoming.path}, only to {methods}"
    return _failed(405, _described("invalid_request_error", problem, incoming), {"allow": methods})


def _described(kind: str, problem: str, incoming: Incoming) -> dict[str, Any]:
    return {"error": {"type": kind, "message": problem}, "request_id": incoming.request_id}


def _failed(status: int, said: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, msgspec.json.encode({"type": "error", **said}), headers=headers or {})


def finish(answer: Answer, incoming: Incoming) -> Answer:
    """Anthropic's clients read the request's id from a header of this name."""
    return replace(answer, headers={**answer.headers, "request-id": incoming.request_id})


FACE = Face(
    routes=(Route("POST", "/v1/messages", messages, takes_body=True, infers=True),),
    check=lambda _incoming, _route: None,
    fail=fail,
    finish=finish,
    lost=lost,
    wrong_method=wrong_method,
    root="/v1/messages/",
)
