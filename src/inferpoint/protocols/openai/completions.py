"""OpenAI's chat completions, whole and in chunks, to results and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.errors import Upstream
from inferpoint.model.chat import Thought
from inferpoint.model.http import Event, Reply, parse, present, unreadable
from inferpoint.model.results import (
    Choice,
    Completion,
    Delta,
    Finished,
    Reasoning,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)
from inferpoint.protocols.openai.failures import complaint
from inferpoint.protocols.readers import StreamReader, broken


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Tokens(msgspec.Struct):
    """The member `usage`, of chats and of embeddings."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    def read(self) -> Usage:
        """The cost in our names."""
        prompt, completion = self.prompt_tokens_details or _Details(), self.completion_tokens_details or _Details()
        cached, reasoning = prompt.cached_tokens or 0, completion.reasoning_tokens or 0
        return Usage(self.prompt_tokens, self.completion_tokens, cached, reasoning)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None  # what vLLM and others call it
    tool_calls: list[_Call] | None = None

    @property
    def text(self) -> str | None:
        return self.content if self.content is not None else self.refusal

    def calls(self) -> Iterator[ToolCall]:
        for place, call in enumerate(self.tool_calls or ()):
            ordinal = place if call.index is None else call.index
            yield ToolCall(ordinal, call.id, call.function.name, call.function.arguments or "")


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    model: str = ""
    usage: Tokens | None = None


def completion(reply: Reply, of: str) -> Completion:
    """Every choice of a whole answer; *of* names what was asked, for errors."""
    answer = parse(reply.body, _Completion, of=f"{of} response")
    if not answer.choices:
        raise unreadable(f"{of} response", "it has no choice")
    choices = [_choice(choice, of) for choice in answer.choices]
    return Completion(choices, answer.usage.read() if answer.usage else None, answer.id, answer.model)


def _choice(choice: _Choice, of: str) -> Choice:
    message = choice.message
    calls = tuple(message.calls())
    if message.text is None and not calls:
        raise unreadable(f"{of} response", "a message has no content")
    thought = message.reasoning or message.reasoning_content or ""
    thoughts = (Thought(thought),) if thought else ()
    return Choice(message.text or "", calls, choice.finish_reason, thoughts)


class _StreamedChoice(msgspec.Struct):
    delta: _Message | None = None
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_StreamedChoice] = []
    id: str = ""
    model: str = ""
    usage: Tokens | None = None
    error: Any = None


class Chunks(StreamReader):
    """The reader of one stream of chat completion chunks.

    The end is `[DONE]` or, from servers that do not send it, the body's end after a finish reason. *extension* is the
    member of the server's own, if it has one, in which a chunk may say by an `error` that the stream stops early.
    """

    def __init__(self, label: str, extension: str | None = None) -> None:
        super().__init__(label)
        self._extension = extension
        self._started = False

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        if event.data.strip().upper() == b"[DONE]":
            self._finished = True
            return ()
        chunk = self._parsed(event, _Chunk)
        if upstream := self._refusal(event, chunk):
            raise broken(upstream)
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(chunk.id, chunk.model))
        for choice in chunk.choices:
            deltas += self._deltas(choice)
        if chunk.usage:
            deltas.append(Used(chunk.usage.read()))
        return deltas

    def _refusal(self, event: Event, chunk: _Chunk) -> Upstream | None:
        if chunk.error is not None:
            return complaint(Reply(500, event.data))
        if self._extension is None or b'"error"' not in event.data:
            return None
        match self._parsed(event, dict[str, Any]).get(self._extension):
            case {"error": str(message)}:
                return Upstream(500, message)
            case _:
                return None

    def _deltas(self, choice: _StreamedChoice) -> Iterator[Delta]:
        if message := choice.delta:
            if thought := message.reasoning or message.reasoning_content:
                yield Reasoning(thought)
            if text := message.content or message.refusal:
                yield Text(text)
            yield from message.calls()
        if choice.finish_reason:
            self._finished = True
            yield Finished(choice.index, choice.finish_reason)


def written(result: Completion) -> dict[str, Any]:
    """A whole answer, without `created`, which only the face that has a clock can say."""
    choices = [
        {"index": index, "message": _written_message(choice), "finish_reason": choice.reason or "stop"}
        for index, choice in enumerate(result.choices)
    ]
    body: dict[str, Any] = {"id": result.id, "choices": choices, "model": result.model, "object": "chat.completion"}
    return body if result.usage is None else {**body, "usage": usage(result.usage)}


def _written_message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text or (None if choice.tool_calls else "")}
    if choice.reasoning:
        message["reasoning"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in choice.tool_calls
        ]
    return message


def usage(used: Usage) -> dict[str, Any]:
    """The member `usage` in OpenAI's names; details are there when there is something to tell."""
    body: dict[str, Any] = {
        "completion_tokens": used.output,
        "prompt_tokens": used.input,
        "total_tokens": used.input + used.output,
    }
    if used.cached:
        body["prompt_tokens_details"] = {"cached_tokens": used.cached}
    if used.reasoning:
        body["completion_tokens_details"] = {"reasoning_tokens": used.reasoning}
    return body


class Writer:
    """The writer of one stream of deltas as chunks: one with the role first, one for each delta, the cost last."""

    def __init__(self) -> None:
        self._id = ""
        self._model = ""
        self._used: Usage | None = None

    def chunks(self, deltas: Sequence[Delta]) -> list[dict[str, Any]]:
        """The chunks of *deltas*."""
        return [chunk for delta in deltas if (chunk := self._chunk(delta)) is not None]

    def end(self) -> dict[str, Any] | None:
        """The chunk that tells the cost, when the provider told it."""
        return None if self._used is None else self._made([], usage=usage(self._used))

    def _chunk(self, delta: Delta) -> dict[str, Any] | None:
        match delta:
            case Started(started, model):
                self._id, self._model = started, model
                return self._of({"role": "assistant", "content": ""})
            case Text(text):
                return self._of({"content": text})
            case Reasoning(text):  # a seal has no place in OpenAI's chunks
                return self._of({"reasoning": text}) if text else None
            case ToolCall(ordinal, called, name, arguments):
                return self._of({"tool_calls": [_piece(ordinal, called, name, arguments)]})
            case Finished(choice, reason, _):
                return self._made([{"delta": {}, "finish_reason": reason, "index": choice}])
            case Used(used):
                self._used = used
                return None

    def _of(self, delta: dict[str, Any]) -> dict[str, Any]:
        return self._made([{"delta": delta, "index": 0}])

    def _made(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"id": self._id, "choices": choices, "model": self._model, "object": "chat.completion.chunk", **more}


def _piece(ordinal: int, called: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    """A piece of a tool call: the first has its id and name, the others only arguments."""
    kind, function = None if called is None else "function", present({"name": name, "arguments": arguments})
    return present({"index": ordinal, "id": called, "type": kind, "function": function})
