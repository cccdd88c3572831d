"""Elasticsearch's `chat_completion`: a body and chunks in OpenAI's shape, and errors in a form of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from inferpoint.api.elastic import errors, read, write
from inferpoint.api.elastic.form import flag
from inferpoint.api.face import EVENT_STREAM, Request, Response, json_response, streamed
from inferpoint.api.headers import error_headers
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.engine import Engine
from inferpoint.engine.preflight import chat_only
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion
from inferpoint.model.wording import as_java, nothing_in
from inferpoint.protocols import sse
from inferpoint.protocols.openai import completions, messages

_PARSER = "UnifiedCompletionRequestBody"
_FIELDS = (
    "messages", "model", "max_completion_tokens", "stop", "temperature", "tool_choice", "tools", "top_p", "reasoning",
)  # fmt: skip
# The members of `reasoning` with their words; without words it is true or false.
_REASONING: Mapping[str, Sequence[str]] = {
    "effort": ("xhigh", "high", "medium", "low", "minimal", "none"),
    "summary": ("auto", "concise", "detailed"),
    "enabled": (),
    "exclude": (),
}
# The names of HTTP statuses as Elasticsearch writes them; any other is written as a number.
_STATUS_NAMES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    413: "request_entity_too_large",
    422: "unprocessable_entity",
    429: "too_many_requests",
    500: "internal_server_error",
}


async def infer(engine: Engine, request: Request, kind: TaskType | None, find: Callable[[], Resolved]) -> Response:
    """A whole answer, as one object."""
    try:
        inference = _inference(request, kind, find)
        result = await engine.infer(find(), inference, kind)
    except InferenceError as error:
        return json_response(_envelope(error), errors.status(error), error_headers(error))
    assert isinstance(result, Completion)
    return json_response(_identified(completions.written(result), request))


async def stream(engine: Engine, request: Request, kind: TaskType | None, find: Callable[[], Resolved]) -> Response:
    """An answer as it comes. The status is known with the first piece, so an error before it has its own."""
    writer = completions.Writer(lambda chunk: _told(_identified(chunk, request)), "message")
    try:
        inference = _inference(request, kind, find)
        pieces = engine.stream(find(), inference, kind)
        return await streamed(pieces, writer.feed, lambda: writer.end() + write.DONE, _event)
    except InferenceError as error:
        return Response(errors.status(error), _event(error), EVENT_STREAM, error_headers(error))


def _identified(answer: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    """*answer*, or a chunk of it, with an id: that of the *request* where the provider gave none."""
    return {**answer, "id": answer["id"] or f"chatcmpl-{request.request_id}"}


def _told(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    """*chunk* without what the provider did not tell."""
    return {name: value for name, value in chunk.items() if value not in (None, "")}


def _inference(request: Request, kind: TaskType | None, find: Callable[[], Resolved]) -> InferenceRequest:
    """The chat that a body asks for.

    Plain input, where the endpoint alone says that it is for chats, is told the address for it.
    """
    words = read.ParserWords(request.body, _PARSER)
    body = request.object(words)
    if kind is None and "input" in body and "messages" not in body:
        raise chat_only(find())
    fields = read.known(body, _FIELDS, words)
    if "messages" not in body:
        raise invalid("Required [messages]", subject=Subject.ARGUMENT)
    if problem := nothing_in("messages", body["messages"]):
        raise invalid(problem, subject=Subject.REQUEST)
    return request.inference(
        _conversation(fields, words),
        partial=flag(request.query, read.PARTIAL),
        timeout=read.timeout(request.query),
    )


def _conversation(body: Fields, words: read.ParserWords) -> Conversation:
    stop = body.text_or_texts("stop") or ()
    max_tokens = body.take("max_completion_tokens", int)
    if max_tokens is not None and max_tokens < 1:
        raise invalid(
            f"Field [max_completion_tokens] must be a positive long, but was [{max_tokens}]", subject=Subject.ARGUMENT
        )
    return replace(
        messages.read(body.any("messages"), body.any("tools"), body.any("tool_choice")),
        model=body.take("model", str),
        max_tokens=max_tokens,
        stop=stop,
        temperature=body.take("temperature", float),
        top_p=body.take("top_p", float),
        reasoning_effort=_effort(body.object("reasoning"), words),
    )


def _effort(reasoning: Mapping[str, Any] | None, words: read.ParserWords) -> str | None:
    """How hard to think; the other members are checked, and no provider here has a place for them."""
    if reasoning is None:
        return None
    for name, value in reasoning.items():
        if name not in _REASONING:
            raise words.unknown("reasoning", (name,))
        choices = _REASONING[name]
        if value is not None and not (value in choices if choices else isinstance(value, bool)):
            shown = ", ".join(choices or ("true", "false"))
            raise invalid(f"Unrecognized value [{as_java(value)}] of [reasoning.{name}], must be one of [{shown}]")
    if reasoning.get("enabled") is False:
        return "none"
    effort = reasoning.get("effort")
    if effort is None:
        raise invalid("A chat completion requires [reasoning.effort] where there is [reasoning]")
    return effort


def _envelope(error: InferenceError) -> dict[str, Any]:
    """An error as OpenAI writes it: a provider's own words for its sort, where it has some, or else ours."""
    name, reason = errors.named(error)
    code, param = _STATUS_NAMES.get(errors.status(error), str(errors.status(error))), None
    upstream = error.upstream
    if upstream is not None and (upstream.type or upstream.code):
        name, code, param = upstream.type or name, upstream.code, upstream.param
    members = {"code": code, "message": reason, "param": param, "type": name}
    return {"error": present(members)}


def _event(error: InferenceError) -> bytes:
    return sse.json_event(_envelope(error), "error")
