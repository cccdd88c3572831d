"""`POST /v1/completions`, the older way to ask for text: each prompt is one user's turn of a chat.

https://platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from inferpoint.api.face import Request, Response, json_response, streamed
from inferpoint.api.openai import errors
from inferpoint.api.openai.chat import DONE, asks_for_usage, sampled
from inferpoint.api.requests import USER, fields, for_user
from inferpoint.endpoints.resolved import chatting
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.chat import Conversation, said
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.requests import Texts
from inferpoint.model.results import Completion, Delta, Finished, Text, Usage, Used
from inferpoint.protocols import sse
from inferpoint.protocols.openai import usage
from inferpoint.protocols.openai.hints import parted

T = TypeVar("T")

MOST_PROMPTS = 128  # each is a call of its own
# Members that only models without a chat know, whose answer has no place in a result.
_UNANSWERED = ("logprobs", "echo", "suffix")


async def complete(engine: Engine, request: Request) -> Response:
    """The text that follows each prompt, whole or streamed."""
    body = fields(request)
    name, stream, tell_usage = body.need("model", str), body.take("stream", bool), asks_for_usage(body)
    prompts, user = _prompts(body.any("prompt")), body.take(USER, str)
    if stream and len(prompts) > 1:
        raise invalid("[prompt] must be one string where [stream] is true")
    sampling = _sampling(body)
    asked = [replace(sampling, messages=said(prompt).messages) for prompt in prompts]
    params, hints = parted(body.rest())
    resolved = chatting(engine.find(request.caller, name))
    requests = [request.inference(conversation, params=params, hints=hints) for conversation in asked]
    inferences = [for_user(resolved, inference, user) for inference in requests]
    answer = _Answer(f"cmpl-{request.request_id}", request.time, name)
    if stream:
        pieces = engine.stream(resolved, inferences[0], TaskType.CHAT_COMPLETION)
        chunks = _Chunks(answer, tell_usage=tell_usage)
        return await streamed(pieces, chunks.feed, chunks.end, errors.failed)
    results = await _together([engine.infer(resolved, one, TaskType.CHAT_COMPLETION) for one in inferences])
    return json_response(answer.whole([result for result in results if isinstance(result, Completion)]))


def _sampling(body: Fields) -> Conversation:
    if body.take("best_of", int) not in (None, 1):
        raise invalid("[best_of] must be 1: a request has one answer")
    body.refuse(*_UNANSWERED)
    return sampled(said(""), body)


async def _together(several: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of *several* at a time; when one fails the others end, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in several]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _prompts(value: Any) -> Texts:
    match value:
        case None:
            raise invalid("[prompt] is required")
        case str():
            return (value,)
        case [str(), *_] if all(isinstance(entry, str) for entry in value) and len(value) <= MOST_PROMPTS:
            return tuple(value)
        case _:
            raise invalid(f"[prompt] must be a string or an array of 1 to {MOST_PROMPTS} strings; tokens are not taken")


@dataclass(frozen=True)
class _Answer:
    """The members that a body and every chunk of one answer share."""

    id: str
    created: int
    model: str

    def told(self, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """A body, or a chunk, of *choices*."""
        named = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**named, "choices": choices, **more}

    def whole(self, results: Sequence[Completion]) -> dict[str, Any]:
        """The body that answers each prompt, with the cost of all of them where it was told."""
        choices = [choice for result in results for choice in result.choices]
        told = [result.usage for result in results if result.usage is not None]
        more = {"usage": usage.written(sum(told, Usage()))} if told else {}
        return self.told([_choice(choice.text, n, choice.reason or "stop") for n, choice in enumerate(choices)], **more)


class _Chunks:
    """The writer of one stream of deltas as chunks."""

    def __init__(self, answer: _Answer, *, tell_usage: bool) -> None:
        self._answer = answer
        self._silent: dict[str, Any] = {"usage": None} if tell_usage else {}
        self._used: Usage | None = None

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        return b"".join([self._chunk(delta) for delta in deltas])

    def end(self) -> bytes:
        if self._used is None or not self._silent:
            return DONE
        return sse.json_event(self._answer.told([], usage=usage.written(self._used))) + DONE

    def _chunk(self, delta: Delta) -> bytes:
        match delta:
            case Text(text):
                choice = _choice(text, 0, None)
            case Finished(index, reason):
                choice = _choice("", index, reason)
            case Used(used):
                self._used = used
                return b""
            case _:
                return b""
        return sse.json_event(self._answer.told([choice], **self._silent))


def _choice(text: str, index: int, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
