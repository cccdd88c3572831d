"""Anthropic's API over chat endpoints: `model` is an inference id. All versions of it are taken.

https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

from msgspec.structs import replace

from inferpoint.api.anthropic import errors, read, write
from inferpoint.api.anthropic.events import PING, Events
from inferpoint.api.anthropic.openapi import DESCRIPTION
from inferpoint.api.anthropic.read import Asked
from inferpoint.api.anthropic.write import Teller
from inferpoint.api.face import Face, Request, Response, Route, json_response, streamed
from inferpoint.api.openapi.description import Form
from inferpoint.api.requests import fields, for_user
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.engine import Engine
from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion
from inferpoint.protocols.anthropic.requests import BETA

_BETA_HEADER = "anthropic-beta"


async def messages(engine: Engine, request: Request) -> Response:
    """The next message of a conversation, whole or streamed."""
    body = fields(request)
    model, stream = body.need("model", str), body.take("stream", bool)
    asked = read.asked(body)
    resolved = engine.find(request.caller, model)
    inference, teller = _inference(resolved, request, asked), _teller(engine, resolved, request, asked, model)
    if stream:
        pieces, events = engine.stream(resolved, inference, TaskType.CHAT_COMPLETION), Events(teller)
        response = await streamed(pieces, events.feed, events.end, lambda error: errors.event_of(error, request))
        return replace(response, ping=PING)
    result = await engine.infer(resolved, inference, TaskType.CHAT_COMPLETION)
    assert isinstance(result, Completion)
    return json_response(write.message(result, teller))


async def count_tokens(engine: Engine, request: Request) -> Response:
    """The tokens of a conversation, estimated where no provider counts them."""
    body = fields(request)
    model = body.need("model", str)
    asked = read.asked(body, counted=True)
    resolved = engine.find(request.caller, model)
    return json_response({"input_tokens": await engine.count(resolved, _inference(resolved, request, asked))})


def _inference(resolved: Resolved, request: Request, asked: Asked) -> InferenceRequest:
    beta = request.headers.get(_BETA_HEADER)
    hints = {**asked.hints, BETA: beta} if beta else asked.hints
    inference = request.inference(asked.conversation, options=asked.options, params=asked.params, hints=hints)
    return for_user(resolved, inference, asked.user)


def _teller(engine: Engine, resolved: Resolved, request: Request, asked: Asked, model: str) -> Teller:
    """Who can be asked to think decides which thoughts are told; those of others are told to who asked for some."""
    thinking = asked.conversation.thinking
    wanted = Hint.THINKING in engine.hints(resolved) or (thinking is not None and thinking.enabled)
    return Teller(f"msg_{request.request_id}", model, resolved.service.name, wanted)


def finish(response: Response, request: Request) -> Response:
    """*response* with the request's id in a header of the name by which Anthropic's clients read it."""
    return replace(response, headers={**response.headers, "request-id": request.request_id})


FACE = Face(
    routes=(
        Route("POST", "/v1/messages", messages, infers=True, form=Form("MessagesRequest", "Message", "MessageEvents")),
        Route("POST", "/v1/messages/count_tokens", count_tokens, infers=True, form=Form("CountRequest", "TokenCount")),
    ),
    words=errors.WORDS,
    fail=errors.fail,
    finish=finish,
    prefix="/v1/messages/",
    description=DESCRIPTION,
)
