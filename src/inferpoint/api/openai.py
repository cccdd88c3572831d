"""OpenAI's API over the same endpoints: `model` is an inference id or an alias.

https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from inferpoint.api.face import Face, Request, Response, Route, Words, error_response, json_response, streamed
from inferpoint.api.headers import TRUNCATED
from inferpoint.api.requests import USER, fields, for_user
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.http import Event
from inferpoint.model.requests import Texts, Tokens
from inferpoint.model.results import Completion, Delta, Embeddings, Usage
from inferpoint.protocols import sse, vectors
from inferpoint.protocols.openai import completions, messages

_REQUEST = "invalid_request_error"
_SERVER = "server_error"
_NOT_ALLOWED = "Not allowed to {method} on {path}, only to {allowed}"
_WORDS = {
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
_DONE = sse.written(Event(b"[DONE]"))
_FORMATS = ("float", "base64")
# Members whose answer has no place in a result, so that asking a provider for them would lose it.
_UNANSWERED = ("logprobs", "top_logprobs", "audio", "modalities", "functions", "function_call", "prediction")


async def embed(engine: Engine, request: Request) -> Response:
    """`POST /v1/embeddings`."""
    body = fields(request)
    name, inputs = body.need("model", str), _inputs(body.any("input"))
    encoding, dimensions = body.take("encoding_format", str) or "float", body.take("dimensions", int)
    user = body.take(USER, str)
    body.end()
    if encoding not in _FORMATS:
        raise invalid(f"[encoding_format] must be one of [{', '.join(_FORMATS)}], not [{encoding}]")
    resolved = engine.find(request.caller, name)
    endpoint = resolved.endpoint
    _refuse_other_length(dimensions, endpoint.dimensions, name)
    kind = TaskType.EMBEDDING if endpoint.task_type is TaskType.EMBEDDING else TaskType.TEXT_EMBEDDING
    result = await engine.infer(resolved, for_user(resolved, request.inference(inputs), user), kind)
    assert isinstance(result, Embeddings)
    _refuse_other_length(dimensions, vectors.length(result.vectors[0]), name)
    rows = [vectors.as_base64(vector) for vector in result.vectors] if encoding == "base64" else result.vectors
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    used = result.usage or Usage()
    usage = {"prompt_tokens": used.input, "total_tokens": used.input}
    headers = {TRUNCATED: str(len(result.cut))} if result.cut else None
    return json_response({"object": "list", "data": data, "model": name, "usage": usage}, headers=headers)


async def chat(engine: Engine, request: Request) -> Response:
    """`POST /v1/chat/completions`, whole or streamed."""
    body = fields(request)
    name, stream = body.need("model", str), body.take("stream", bool)
    tell_usage = (body.object("stream_options") or {}).get("include_usage") is True
    conversation, user = _conversation(body), body.take(USER, str)
    resolved = engine.find(request.caller, name)
    inference = for_user(resolved, request.inference(conversation, params=body.rest()), user)
    chunks = _Chunks(f"chatcmpl-{request.request_id}", request.time, name, tell_usage=tell_usage)
    if stream:
        pieces = engine.stream(resolved, inference, TaskType.CHAT_COMPLETION)
        return await streamed(pieces, chunks.feed, chunks.end, lambda error: sse.json_event(_described(error)))
    result = await engine.infer(resolved, inference, TaskType.CHAT_COMPLETION)
    assert isinstance(result, Completion)
    return json_response(chunks.completed(completions.written(result)))


async def models(engine: Engine, request: Request) -> Response:
    """`GET /v1/models`: every endpoint, whatever its task, under each of its names."""
    endpoints = [resolved.endpoint for resolved in engine.lifecycle.all(request.caller)]
    data = [_model(name, endpoint) for endpoint in endpoints for name in (endpoint.inference_id, *endpoint.aliases)]
    return json_response({"object": "list", "data": data})


async def model(engine: Engine, request: Request) -> Response:
    """`GET /v1/models/{id}`."""
    name = request.path_params["model"]
    return json_response(_model(name, engine.lifecycle.get(request.caller, name).endpoint))


def _inputs(value: Any) -> Texts | Tokens:
    match value:
        case str():
            return (value,)
        case [str(), *_] if all(isinstance(entry, str) for entry in value):
            return tuple(value)
        case [int(), *_] if _are_tokens(value):
            return Tokens((tuple(value),))
        case [[_, *_], *_] if all(_are_tokens(entry) for entry in value):
            return Tokens(tuple(tuple(row) for row in cast("list[list[int]]", value)))
        case None:
            raise invalid("[input] is required")
        case _:
            raise invalid(
                "[input] must be a string, an array of strings, of tokens, or of arrays of tokens; none empty"
            )


def _are_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(type(token) is int and token >= 0 for token in cast("list[Any]", value))
        and value != []
    )


def _refuse_other_length(dimensions: int | None, length: int | None, model: str) -> None:
    if dimensions is not None and length not in (None, dimensions):
        raise invalid(
            f"[dimensions] is [{dimensions}], but the vectors of [{model}] have [{length}]; it cannot be changed here"
        )


def _conversation(body: Fields) -> Conversation:
    conversation = messages.read(body.any("messages"), body.any("tools") or None, body.any("tool_choice"))
    if body.take("n", int) not in (None, 1):
        raise invalid("[n] must be 1: a request has one answer")
    body.refuse(*_UNANSWERED)
    older, newer = body.take("max_tokens", int), body.take("max_completion_tokens", int)
    if None not in (older, newer) and older != newer:
        raise invalid("[max_tokens] and [max_completion_tokens] are two names of one limit, and differ")
    return replace(
        conversation,
        max_tokens=older if newer is None else newer,
        stop=body.text_or_texts("stop") or (),
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
        self._defaults = {"id": name, "model": model}
        self._more: dict[str, Any] = {"created": time}
        self._usage: dict[str, Any] = {"usage": None} if tell_usage else {}

    def completed(self, chunk: dict[str, Any]) -> dict[str, Any]:
        defaults = {member: chunk[member] or value for member, value in self._defaults.items()}
        return {**chunk, **defaults, **self._more}

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        chunks = [{**self._usage, **self.completed(chunk)} for chunk in self._writer.chunks(deltas)]
        return b"".join(map(sse.json_event, chunks))

    def end(self) -> bytes:
        last = self._writer.end()
        return _DONE if last is None or not self._usage else sse.json_event(self.completed(last)) + _DONE


def _described(error: InferenceError) -> dict[str, Any]:
    """An error in OpenAI's form, with a provider's own members where it has some."""
    words = _WORDS[error.kind]
    name, code, param = words.name, words.code, None
    if (upstream := error.upstream) and error.kind is not Kind.CONTEXT_OVERFLOW:
        name, code, param = upstream.type or name, upstream.code or code, upstream.param
    if error.index is not None:  # the provider's own would be the place in a call of ours
        param = f"input[{error.index}]"
    return {"error": {"message": str(error), "type": name, "param": param, "code": code}}


FACE = Face(
    routes=(
        Route("POST", "/v1/embeddings", embed, takes_body=True, infers=True),
        Route("POST", "/v1/chat/completions", chat, takes_body=True, infers=True),
        Route("GET", "/v1/models", models),
        Route("GET", "/v1/models/{model}", model),
    ),
    words=_WORDS,
    fail=lambda error, _request: error_response(error, _WORDS[error.kind].status, _described(error)),
    prefix="/v1/",
)
