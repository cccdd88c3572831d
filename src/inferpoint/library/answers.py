"""A model's answer as a program reads it, and the pieces of a stream put together to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from inferpoint.model.chat import TextPart, Thought, ToolUse
from inferpoint.model.results import (
    AnswerPart,
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
    grown,
)
from inferpoint.protocols.openai import completions

_SHOWN = 60


@dataclass(frozen=True, repr=False)
class Answer:
    """What a model said to a chat or a completion. `completion` is the result that this is read from."""

    completion: Completion

    @property
    def text(self) -> str:
        """The words; empty where the model only calls tools."""
        return self._choice.text

    @property
    def tool_calls(self) -> tuple[ToolUse, ...]:
        """The tools that the model calls; `arguments` is JSON as the model wrote it."""
        return tuple(ToolUse(call.id or "", call.name or "", call.arguments) for call in self._choice.tool_calls)

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """What the model thought, as far as it is told."""
        return self._choice.thoughts

    @property
    def reason(self) -> str | None:
        """Why the answer ended, in OpenAI's words: `stop`, `length`, `tool_calls`, `content_filter`; None untold."""
        return self._choice.reason

    @property
    def usage(self) -> Usage | None:
        """The cost in tokens; None where the provider did not tell it."""
        return self.completion.usage

    def message(self) -> dict[str, Any]:
        """The answer as a message in OpenAI's form, to go on with: what the next chat's messages hold of it."""
        return completions.written(self.completion)["choices"][0]["message"]

    @property
    def _choice(self) -> Choice:
        return self.completion.choices[0]

    def __repr__(self) -> str:
        calls = "".join(f", {call.name}(…)" for call in self.tool_calls)
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return f"Answer({text!r}{calls}, reason={self.reason!r}, usage={self.usage})"


ChatPiece = Text | Reasoning | ToolCall | Answer


class Collected:
    """The deltas of one stream, put together."""

    def __init__(self) -> None:
        self._started = Started("", "")
        self._finished: Finished | None = None
        self._parts: list[AnswerPart] = []
        self._calls: dict[int, ToolCall] = {}
        self._usage: Usage | None = None

    def add(self, delta: Delta) -> None:
        """Take in the next delta."""
        match delta:
            case Started():
                self._started = delta
            case Text(text):
                self._parts.append(TextPart(text))
            case Reasoning():
                self._think(delta)
            case ToolCall():
                self._call(delta)
            case Finished():
                self._finished = delta
            case Used(usage):
                self._usage = usage

    def completion(self) -> Completion:
        """The whole answer."""
        finished, calls = self._finished, iter(sorted(self._calls.items()))
        parts = (next(calls)[1] if isinstance(part, ToolCall) else part for part in self._parts)
        choice = Choice.of(parts, finished and finished.reason, finished and finished.stop_sequence)
        return Completion([choice], self._usage, self._started.id, self._started.model)

    def _think(self, piece: Reasoning) -> None:
        """A thought goes on until it is sealed, or the model says something; a redacted one is whole."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, Thought) and piece.redacted is last.redacted is last.signature is None:
            self._parts[-1] = grown(last, piece)
        else:
            self._parts.append(grown(Thought(), piece))

    def _call(self, piece: ToolCall) -> None:
        begun = self._calls.get(piece.ordinal)
        if begun is None:
            self._parts.append(piece)
        else:
            piece = replace(begun, arguments=begun.arguments + piece.arguments, extra=piece.extra or begun.extra)
        self._calls[piece.ordinal] = piece
