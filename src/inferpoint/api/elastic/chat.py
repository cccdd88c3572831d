"""Elasticsearch's `chat_completion`: a body and chunks in OpenAI's shape, and errors in a form of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec

from inferpoint.api.elastic import errors, read
from inferpoint.api.face import EVENT_STREAM, Answer, Incoming
from inferpoint.engine.engine import Engine
from inferpoint.engine.preflight import chat_only
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Event
from inferpoint.model.inference import Completion, Delta, InferenceRequest
from inferpoint.model.settings import as_java
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
# The names of HTTP statuses as Elasticsearch writes them; any other is told as a number.
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
DONE = sse.written(Event(b"[DONE]", "message"))


async def infer(engine: Engine, incoming: Incoming, kind: TaskType | None) -> Answer:
    """A whole answer, as one object."""
    inference_id = incoming.names["inference_id"]
    try:
        found = await engine.infer(inference_id, request(engine, incoming, kind), kind)
    except InferenceError as error:
        return Answer(errors.status(error), _envelope(error), headers=errors.headers(error))
    assert isinstance(found, Completion)
    return Answer(body=msgspec.json.encode(completions.written(found)))


async def stream(engine: Engine, incoming: Incoming, kind: TaskType | None) -> Answer:
    """An answer as it comes. The status is known with the first piece, so an error before it has its own."""
    try:
        pieces = engine.stream(incoming.names["inference_id"], request(engine, incoming, kind), kind)
        first = await anext(pieces)
    except InferenceError as error:
        return Answer(errors.status(error), _event(error), EVENT_STREAM, errors.headers(error))
    return Answer(content_type=EVENT_STREAM, headers={"cache-control": "no-cache"}, pieces=_events(first, pieces))


async def _events(first: Sequence[Delta], pieces: AsyncGenerator[Sequence[Delta], None]) -> AsyncGenerator[bytes, None]:
    """Chunks as the deltas come; the cost and `[DONE]` only after a whole answer."""
    writer = completions.Writer()
    try:
        yield _chunks(writer.chunks(first))
        async for deltas in pieces:
            yield _chunks(writer.chunks(deltas))
        last = writer.end()
        yield _chunks([] if last is None else [last]) + DONE
    except InferenceError as error:
        yield _event(error)
    finally:
        await pieces.aclose()


def _chunks(found: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(sse.written(Event(msgspec.json.encode(_present(chunk)), "message")) for chunk in found)


def _present(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    """*chunk* without what the provider did not tell."""
    return {name: value for name, value in chunk.items() if value not in (None, "")}


def request(engine: Engine, incoming: Incoming, kind: TaskType | None) -> InferenceRequest:
    """What to go on with. Plain input, where the endpoint alone says that it is for chats, is told where to go."""
    body = read.json_object(incoming)
    if kind is None and "input" in body and "messages" not in body:
        raise chat_only(engine.find(incoming.caller, incoming.names["inference_id"]))
    for name in body:
        if name not in _FIELDS:
            raise _wrong(incoming, name, f"unknown field [{name}]")
    if "messages" not in body:
        raise invalid("Required [messages]", subject=Subject.ARGUMENT)
    if body["messages"] in (None, []):
        problem = "cannot be null" if body["messages"] is None else "cannot be an empty array"
        raise invalid(f"Field [messages] {problem}", subject=Subject.REQUEST)
    return InferenceRequest(
        _conversation(incoming, body),
        partial=read.partial(incoming, {}),
        timeout=read.timeout(incoming.query),
        caller=incoming.caller,
        request_id=incoming.request_id,
        journey=incoming.journey,
    )


def _conversation(incoming: Incoming, body: Mapping[str, Any]) -> Conversation:
    stop = _typed(incoming, body, "stop", (str, list))
    stops: list[Any] = [stop] if isinstance(stop, str) else stop or []
    if not all(isinstance(each, str) for each in stops):
        raise _wrong(incoming, "stop", "failed to parse field [stop]: every entry must be a string")
    most = _typed(incoming, body, "max_completion_tokens", (int,))
    if most is not None and most < 1:
        raise invalid(
            f"Field [max_completion_tokens] must be a positive long, but was [{most}]", subject=Subject.ARGUMENT
        )
    return replace(
        messages.read(body["messages"], body.get("tools") or None, body.get("tool_choice")),
        model=_typed(incoming, body, "model", (str,)),
        max_tokens=most,
        stop=tuple(stops),
        temperature=_typed(incoming, body, "temperature", (int, float)),
        top_p=_typed(incoming, body, "top_p", (int, float)),
        reasoning_effort=_effort(incoming, body),
    )


def _effort(incoming: Incoming, body: Mapping[str, Any]) -> str | None:
    """How hard to think; the other members are checked, and no provider here has a place for them."""
    given = _typed(incoming, body, "reasoning", (dict,))
    if given is None:
        return None
    reasoning = cast("dict[str, Any]", given)
    for name, value in reasoning.items():
        if name not in _REASONING:
            raise _wrong(incoming, name, f"[reasoning] unknown field [{name}]")
        words = _REASONING[name]
        if value is not None and not (isinstance(value, str) and value in words if words else isinstance(value, bool)):
            shown = ", ".join(words or ("true", "false"))
            raise invalid(f"Unrecognized value [{as_java(value)}] of [reasoning.{name}], must be one of [{shown}]")
    effort = reasoning.get("effort")
    if effort is None:
        raise invalid("A chat completion requires [reasoning.effort] where there is [reasoning]")
    return effort


def _typed(incoming: Incoming, body: Mapping[str, Any], name: str, kinds: tuple[type[Any], ...]) -> Any:
    value = body.get(name)
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        raise _wrong(incoming, name, f"{name} doesn't support values of type: {read.token(value)}")
    return value


def _wrong(incoming: Incoming, name: str, problem: str) -> InferenceError:
    return invalid(f"{read.position(incoming.body, name)} [{_PARSER}] {problem}", subject=Subject.BODY)


def _envelope(error: InferenceError) -> bytes:
    """An error as OpenAI writes it: a provider's own words for its sort, where it has some, or else ours."""
    name, reason = errors.named(error)
    told: dict[str, Any] = {"code": _STATUS_NAMES.get(errors.status(error), str(errors.status(error)))}
    upstream = error.upstream
    if upstream is not None and (upstream.type or upstream.code):
        told = {"code": upstream.code, "param": upstream.param}
        name = upstream.type or name
    told = {"code": told["code"], "message": reason, "param": told.get("param"), "type": name}
    return msgspec.json.encode({"error": {member: value for member, value in told.items() if value is not None}})


def _event(error: InferenceError) -> bytes:
    return sse.written(Event(_envelope(error), "error"))
