"""OpenAI's API over the same endpoints: `model` is an inference id or an alias.

https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import msgspec

from inferpoint.api import fields, repeats
from inferpoint.api.end_user import USER, asked_for
from inferpoint.api.face import CUT_HEADER, EVENT_STREAM, Answer, Face, Incoming, Route
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.http import Event
from inferpoint.model.inference import Completion, Delta, Embeddings, InferenceRequest, Texts, Tokens, Usage
from inferpoint.protocols import sse, vectors
from inferpoint.protocols.openai import completions, messages

_REQUEST = "invalid_request_error"
_WORDS: dict[Kind, tuple[int, str, str | None]] = {
    Kind.INVALID: (400, _REQUEST, None),
    Kind.UNAUTHENTICATED: (401, _REQUEST, "invalid_api_key"),
    Kind.FORBIDDEN: (403, _REQUEST, None),
    Kind.NOT_FOUND: (404, _REQUEST, "model_not_found"),
    Kind.CONFLICT: (409, _REQUEST, None),
    Kind.TOO_LARGE: (413, _REQUEST, None),
    Kind.UNSUPPORTED: (400, _REQUEST, "unsupported"),
    Kind.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    Kind.OVERLOADED: (503, "server_error", "server_is_overloaded"),
    Kind.TIMED_OUT: (408, "server_error", "timeout"),
    Kind.CUT_OFF: (502, "server_error", None),
    Kind.UNREADABLE: (502, "server_error", None),
    Kind.INTERNAL: (500, "server_error", None),
}
_DONE = sse.written(Event(b"[DONE]"))
_FORMATS = ("float", "base64")
# Members whose answer has no place in a result, so that asking a provider for them would lose it.
_UNANSWERED = ("logprobs", "top_logprobs", "audio", "modalities", "functions", "function_call", "prediction")


async def embed(engine: Engine, incoming: Incoming) -> Answer:
    """`POST /v1/embeddings`."""
    body = fields.body(incoming)
    model, given = body.need("model", str), _inputs(body.any("input"))
    written, dimensions = body.take("encoding_format", str) or "float", body.take("dimensions", int)
    user = body.take(USER, str)
    body.end()
    if written not in _FORMATS:
        raise invalid(f"[encoding_format] must be one of [{', '.join(_FORMATS)}], not [{written}]")
    endpoint = engine.find(incoming.caller, model).endpoint
    _refuse_other_length(dimensions, endpoint.dimensions, model)
    kind = TaskType.EMBEDDING if endpoint.task_type is TaskType.EMBEDDING else TaskType.TEXT_EMBEDDING
    request = InferenceRequest(given, caller=incoming.caller, request_id=incoming.request_id, journey=incoming.journey)
    result = await engine.infer(model, asked_for(engine, model, request, user), kind)
    assert isinstance(result, Embeddings)
    _refuse_other_length(dimensions, vectors.length(result.vectors[0]), model)
    found = [vectors.as_base64(each) for each in result.vectors] if written == "base64" else result.vectors
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(found)]
    used = result.usage or Usage()
    usage = {"prompt_tokens": used.input, "total_tokens": used.input}
    said = {"object": "list", "data": data, "model": model, "usage": usage}
    return _json(said, headers={CUT_HEADER: str(len(result.cut))} if result.cut else None)


async def chat(engine: Engine, incoming: Incoming) -> Answer:
    """`POST /v1/chat/completions`, whole or streamed."""
    body = fields.body(incoming)
    model, streamed = body.need("model", str), body.take("stream", bool)
    tell_usage = (body.object("stream_options") or {}).get("include_usage") is True
    talk, user = _conversation(body), body.take(USER, str)
    request = InferenceRequest(
        talk, params=body.rest(), caller=incoming.caller, request_id=incoming.request_id, journey=incoming.journey
    )
    request = asked_for(engine, model, request, user)
    chunks = _Chunks(f"chatcmpl-{incoming.request_id}", incoming.time, model, tell_usage=tell_usage)
    if not streamed:
        result = await engine.infer(model, request, TaskType.CHAT_COMPLETION)
        assert isinstance(result, Completion)
        return _json(chunks.completed(completions.written(result)))
    pieces = engine.stream(model, request, TaskType.CHAT_COMPLETION)
    first = await anext(pieces)  # an error before it has its own status
    events = _events(chunks, first, pieces)
    return Answer(content_type=EVENT_STREAM, headers={"cache-control": "no-cache"}, pieces=events)


async def models(engine: Engine, incoming: Incoming) -> Answer:
    """`GET /v1/models`: every endpoint, whatever its task, under each of its names."""
    every = [resolved.endpoint for resolved in engine.lifecycle.all(incoming.caller)]
    found = [_model(name, each) for each in every for name in (each.inference_id, *each.aliases)]
    return _json({"object": "list", "data": found})


async def model(engine: Engine, incoming: Incoming) -> Answer:
    """`GET /v1/models/{id}`."""
    name = incoming.names["model"]
    return _json(_model(name, engine.lifecycle.get(incoming.caller, name).endpoint))


def _inputs(value: Any) -> Texts | Tokens:
    match value:
        case str():
            return (value,)
        case [str(), *_] if all(isinstance(each, str) for each in value):
            return tuple(value)
        case [int(), *_] if _are_tokens(value):
            return Tokens((tuple(value),))
        case [[_, *_], *_] if all(_are_tokens(each) for each in value):
            return Tokens(tuple(tuple(each) for each in cast("list[list[int]]", value)))
        case None:
            raise invalid("[input] is required")
        case _:
            raise invalid(
                "[input] must be a string, an array of strings, of tokens, or of arrays of tokens; none empty"
            )


def _are_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(type(each) is int and each >= 0 for each in cast("list[Any]", value))
        and value != []
    )


def _refuse_other_length(wanted: int | None, there: int | None, model: str) -> None:
    if wanted is not None and there not in (None, wanted):
        raise invalid(
            f"[dimensions] is [{wanted}], but the vectors of [{model}] have [{there}]; it cannot be changed here"
        )


def _conversation(body: fields.Fields) -> Conversation:
    found = messages.read(body.any("messages"), body.any("tools") or None, body.any("tool_choice"))
    if body.take("n", int) not in (None, 1):
        raise invalid("[n] must be 1: a request has one answer")
    body.refuse(*_UNANSWERED)
    older, newer = body.take("max_tokens", int), body.take("max_completion_tokens", int)
    if None not in (older, newer) and older != newer:
        raise invalid("[max_tokens] and [max_completion_tokens] are two names of one limit, and differ")
    stop = body.any("stop")
    if stop is not None and not isinstance(stop, str):
        stop = fields.Fields({"stop": stop}).texts("stop")
    return Conversation(
        found.messages,
        found.tools,
        found.tool_choice,
        max_tokens=older if newer is None else newer,
        stop=(stop,) if isinstance(stop, str) else stop or (),
        temperature=body.take("temperature", float),
        top_p=body.take("top_p", float),
        reasoning_effort=body.take("reasoning_effort", str),
    )


def _model(name: str, endpoint: Endpoint) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": endpoint.service}


class _Chunks:
    """One answer's chunks as bytes, with what the provider did not say about it."""

    def __init__(self, name: str, time: int, model: str, *, tell_usage: bool) -> None:
        self._writer = completions.Writer()
        self._said = {"id": name, "model": model}
        self._more: dict[str, Any] = {"created": time}
        self._usage: dict[str, Any] = {"usage": None} if tell_usage else {}

    def completed(self, found: dict[str, Any]) -> dict[str, Any]:
        said = {member: found[member] or value for member, value in self._said.items()}
        return {**found, **said, **self._more}

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        return b"".join(_event({**self._usage, **self.completed(each)}) for each in self._writer.chunks(deltas))

    def end(self) -> bytes:
        last = self._writer.end()
        return b"" if last is None or not self._usage else _event(self.completed(last))


async def _events(
    chunks: _Chunks, first: Sequence[Delta], pieces: AsyncGenerator[Sequence[Delta], None]
) -> AsyncGenerator[bytes, None]:
    """`[DONE]` only after a whole answer; a broken one ends in an error."""
    try:
        yield chunks.feed(first)
        async for deltas in pieces:
            yield chunks.feed(deltas)
        yield chunks.end() + _DONE
    except InferenceError as error:
        yield _event(_described(error))
    finally:
        await pieces.aclose()


def _event(body: Any) -> bytes:
    return sse.written(Event(msgspec.json.encode(body)))


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, msgspec.json.encode(body), headers=headers or {})


def fail(error: InferenceError, _incoming: Incoming) -> Answer:
    """An error in OpenAI's form: a provider's own members where it said some."""
    status = repeats.status(error, _WORDS[error.kind][0])
    return _json(_described(error), status, repeats.headers(error, status))


def _described(error: InferenceError) -> dict[str, Any]:
    _, kind, code = _WORDS[error.kind]
    param = None
    if said := error.upstream:
        kind, code, param = said.type or kind, said.code or code, said.param
    if error.index is not None:  # the provider's own would be the place in a call of ours
        param = f"input[{error.index}]"
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def lost(incoming: Incoming) -> Answer:
    """There is no such path."""
    problem = f"Invalid URL ({incoming.method} {incoming.path})"
    return _json({"error": {"message": problem, "type": _REQUEST, "param": None, "code": "unknown_url"}}, 404)


def wrong_method(incoming: Incoming, allowed: Sequence[str]) -> Answer:
    """There is, but not for this method."""
    problem = f"Not allowed to {incoming.method} on {incoming.path}, only to {', '.join(allowed)}"
    body = {"error": {"message": problem, "type": _REQUEST, "param": None, "code": "method_not_supported"}}
    return _json(body, 405, {"allow": ", ".join(allowed)})


FACE = Face(
    routes=(
        Route("POST", "/v1/embeddings", embed, takes_body=True, infers=True),
        Route("POST", "/v1/chat/completions", chat, takes_body=True, infers=True),
        Route("GET", "/v1/models", models),
        Route("GET", "/v1/models/{model}", model),
    ),
    check=lambda _incoming, _route: None,
    fail=fail,
    finish=lambda answer, _incoming: answer,
    lost=lost,
    wrong_method=wrong_method,
    root="/v1/",
)
