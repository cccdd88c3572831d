"""Results and deltas as chat completions in OpenAI's format, whole and in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inferpoint.model.chat import Thought
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
        return None if self._used is None else self._made([], usage=usage.written(self._used))

    def _chunk(self, delta: Delta) -> dict[str, Any] | None:
        match delta:
            case Started(started, model):
                self._id, self._model = started, model
                return self._of({"role": "assistant", "content": ""})
            case Text(text):
                return self._of({"content": text})
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
