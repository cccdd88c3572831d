"""`POST /v1/chat/completions`, on endpoints that chat and on those of completions, which are asked like them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from inferpoint.api.face import Request, Response, json_response, streamed
from inferpoint.api.openai import errors
from inferpoint.api.requests import USER, fields, for_user
from inferpoint.endpoints.resolved import chatting
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.chat import Conversation
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.http import Event
from inferpoint.model.results import Completion
from inferpoint.protocols import sse
from inferpoint.protocols.openai import completions, messages
from inferpoint.protocols.openai.hints import parted

DONE = sse.written(Event(b"[DONE]"))
# Members whose answer has no place in a result, so that asking a provider for them would lose it.
_UNANSWERED = ("logprobs", "top_logprobs", "audio", "modalities", "functions", "function_call", "prediction")


async def chat(engine: Engine, request: Request) -> Response:
    """The next message of a conversation, whole or streamed."""
    body = fields(request)
    name, stream = body.need("model", str), body.take("stream", bool)
    tell_usage = asks_for_usage(body)
    conversation, user = _conversation(body), body.take(USER, str)
    resolved = chatting(engine.find(request.caller, name))
    params, hints = parted(body.rest())
    inference = for_user(resolved, request.inference(conversation, params=params, hints=hints), user)
    answer = _Answer(f"chatcmpl-{request.request_id}", request.time, name, tell_usage=tell_usage)
    if stream:
        writer = completions.Writer(answer.chunk)
        pieces = engine.stream(resolved, inference, TaskType.CHAT_COMPLETION)
        return await streamed(pieces, writer.feed, lambda: answer.end(writer), errors.failed)
    result = await engine.infer(resolved, inference, TaskType.CHAT_COMPLETION)
    assert isinstance(result, Completion)
    return json_response(answer.completed(completions.written(result)))


def asks_for_usage(body: Fields) -> bool:
    """Whether a stream is to end with its cost, by `stream_options`."""
    options = body.object("stream_options")
    return options is not None and options.get("include_usage") is True


def sampled(conversation: Conversation, body: Fields) -> Conversation:
    """*conversation* with the members by which a model is told how to write, and how much."""
    if body.is_read():
        return conversation
    if body.take("n", int) not in (None, 1):
        raise invalid("[n] must be 1: a request has one answer")
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


def _conversation(body: Fields) -> Conversation:
    conversation = messages.read(body.any("messages"), body.any("tools"), body.any("tool_choice"))
    body.refuse(*_UNANSWERED)
    return sampled(conversation, body)


class _Answer:
    """One answer, whole or in chunks, with what the provider did not say about it."""

    def __init__(self, name: str, time: int, model: str, *, tell_usage: bool) -> None:
        self._name = name
        self._time = time
        self._model = model
        self._silent: dict[str, Any] = {"usage": None} if tell_usage else {}

    def completed(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return {**chunk, "id": chunk["id"] or self._name, "model": chunk["model"] or self._model, "created": self._time}

    def chunk(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return {**self._silent, **self.completed(chunk)}

    def end(self, writer: completions.Writer) -> bytes:
        return (writer.end() if self._silent else b"") + DONE
