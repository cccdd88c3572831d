"""Anthropic's `POST /v1/messages` over chat endpoints: `model` is an inference id. Both versions are taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inferpoint.api.anthropic import read, write
from inferpoint.api.face import Face, Request, Response, Route, Words, error_response, json_response, streamed
from inferpoint.api.requests import fields, for_user
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion

_NOT_ALLOWED = "Not allowed to {method} on {path}, only to {allowed}"
_WORDS = {
    Kind.INVALID: Words(400, "invalid_request_error"),
    Kind.CONTEXT_OVERFLOW: Words(400, "invalid_request_error"),
    Kind.UNAUTHENTICATED: Words(401, "authentication_error"),
    Kind.FORBIDDEN: Words(403, "permission_error"),
    Kind.NOT_FOUND: Words(404, "not_found_error"),
    Kind.NO_ROUTE: Words(404, "not_found_error", phrase="No such path: {path}"),
    Kind.WRONG_METHOD: Words(405, "invalid_request_error", phrase=_NOT_ALLOWED),
    Kind.CONFLICT: Words(409, "conflict_error"),
    Kind.TOO_LARGE: Words(413, "request_too_large"),
    Kind.UNSUPPORTED: Words(400, "invalid_request_error"),
    Kind.RATE_LIMITED: Words(429, "rate_limit_error"),
    Kind.OVERLOADED: Words(529, "overloaded_error"),
    Kind.TIMED_OUT: Words(504, "timeout_error"),
    Kind.CUT_OFF: Words(502, "api_error"),
    Kind.UNREADABLE: Words(502, "api_error"),
    Kind.INTERNAL: Words(500, "api_error"),
}


async def messages(engine: Engine, request: Request) -> Response:
    """The next message of a conversation, whole or streamed."""
    body = fields(request)
    model, stream = body.need("model", str), body.take("stream", bool)
    asked = read.asked(body)
    resolved = engine.find(request.caller, model)
    inference = request.inference(asked.conversation, options=asked.options, params=asked.params)
    inference = for_user(resolved, inference, asked.user)
    name = f"msg_{request.request_id}"
    if stream:
        pieces, events = engine.stream(resolved, inference, TaskType.CHAT_COMPLETION), write.Events(name, model)
        return await streamed(
            pieces, events.feed, events.end, lambda error: write.event("error", **_described(error, request))
        )
    result = await engine.infer(resolved, inference, TaskType.CHAT_COMPLETION)
    assert isinstance(result, Completion)
    return json_response(write.message(result, name, model))


def fail(error: InferenceError, request: Request) -> Response:
    """An error in Anthropic's form."""
    return error_response(error, _WORDS[error.kind].status, {"type": "error", **_described(error, request)})


def _described(error: InferenceError, request: Request) -> dict[str, Any]:
    return {"error": {"type": _WORDS[error.kind].name, "message": str(error)}, "request_id": request.request_id}


def finish(response: Response, request: Request) -> Response:
    """*response* with the request's id in a header of the name by which Anthropic's clients read it."""
    return replace(response, headers={**response.headers, "request-id": request.request_id})


FACE = Face(
    routes=(Route("POST", "/v1/messages", messages, takes_body=True, infers=True),),
    words=_WORDS,
    fail=fail,
    finish=finish,
    prefix="/v1/messages/",
)
