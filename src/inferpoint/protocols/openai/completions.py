"""Results and deltas as chat completions in OpenAI's format, whole and in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import present
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
from inferpoint.protocols import sse
from inferpoint.protocols.openai import usage
from inferpoint.protocols.openai.replies import WORDS


def written(result: Completion) -> dict[str, Any]:
    """A whole answer, without `created`, which only the face that has a clock can say."""
    choices = [
        {"index": index, "message": _written_message(choice), "finish_reason": choice.reason or "stop"}
        for index, choice in enumerate(result.choices)
    ]
    body: dict[str, Any] = {"id": result.id, "choices": choices, "model": result.model, "object": "chat.completion"}
    return body if result.usage is None else {**body, "usage": usage.written(result.usage)}


def _written_message(choice: Choice) -> dict[str, Any]:
    match choice.parts:
        case (TextPart(text),):
            return {"role": "assistant", "content": text}
        case _:
            return _whole_message(choice)


def _whole_message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text or (None if choice.tool_calls else "")}
    for thought in choice.thoughts:
        member = _member(thought)
        if thought.text:
            message[member] = message.get(member, "") + thought.text
        message |= thought.extra or {}
    if choice.tool_calls:
        message["tool_calls"] = [_written_call(call) for call in choice.tool_calls]
    return message


def _member(thought: Thought | Reasoning) -> str:
    """Where a message has the words of a *thought*: as they came, but not among its content, which clients show."""
    return thought.member if thought.member in WORDS else "reasoning"


def _written_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return present({"id": call.id, "type": "function", "function": function, "extra_content": call.extra})


class Writer:
    """The writer of one stream of deltas as events: one with the role first, one for each delta, the cost last.

    *complete* gives a chunk the members that its face adds, *name* is that of the events. Texts that follow each other
    are written together, as their chunks differ in nothing else.
    """

    def __init__(self, complete: Callable[[dict[str, Any]], Mapping[str, Any]], name: str = "") -> None:
        self._complete = complete
        self._name = name
        self._id = ""
        self._model = ""
        self._used: Usage | None = None
        self._around_text: sse.Around | None = None

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        """The events of *deltas*."""
        events: list[bytes] = []
        texts: list[str] = []
        for delta in deltas:
            if type(delta) is Text:
                texts += (delta.text,)
                continue
            events.append(self._texts(texts))
            texts = []
            if (chunk := self._chunk(delta)) is not None:
                events.append(self._event(chunk))
        events.append(self._texts(texts))
        return b"".join(events)

    def end(self) -> bytes:
        """The event that tells the cost, when the provider told it."""
        return b"" if self._used is None else self._event(self._made([], usage=usage.written(self._used)))

    def _texts(self, texts: Sequence[str]) -> bytes:
        if texts and self._around_text is None:
            self._around_text = sse.around(self._complete(self._of({"content": sse.SLOT})), self._name)
        return sse.repeated(self._around_text, texts) if self._around_text is not None else b""

    def _event(self, chunk: dict[str, Any]) -> bytes:
        return sse.json_event(self._complete(chunk), self._name)

    def _chunk(self, delta: Delta) -> dict[str, Any] | None:
        match delta:
            case Started(started, model):
                self._id, self._model, self._around_text = started, model, None
                return self._of({"role": "assistant", "content": ""})
            case Reasoning():  # a seal has no place in OpenAI's chunks
                told = {_member(delta): delta.text} if delta.text else {}
                return self._of({**told, **(delta.extra or {})}) if told or delta.extra else None
            case ToolCall():
                return self._of({"tool_calls": [_piece(delta)]})
            case Finished(choice, reason, _):
                return self._made([{"delta": {}, "finish_reason": reason, "index": choice}])
            case Used(used):
                self._used = used
                return None
            case Text():
                return None  # which is written with its neighbours

    def _of(self, delta: dict[str, Any]) -> dict[str, Any]:
        return self._made([{"delta": delta, "index": 0}])

    def _made(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"id": self._id, "choices": choices, "model": self._model, "object": "chat.completion.chunk", **more}


def _piece(call: ToolCall) -> dict[str, Any]:
    """A piece of a tool call: the first has its id and name, the others only arguments."""
    kind = None if call.name is None else "function"
    function = present({"name": call.name, "arguments": call.arguments})
    return present(
        {"index": call.ordinal, "id": call.id, "type": kind, "function": function, "extra_content": call.extra}
    )
