"""Items of a response while they are written: what each says when it begins, at every piece, and when it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from inferpoint.api.openai.responses import output, reasoning
from inferpoint.model.chat import Thought

Event = dict[str, Any]


class Growing(ABC):
    """An item called *name*, the one at *index* of the response."""

    def __init__(self, index: int, name: str) -> None:
        self.index = index
        self.name = name
        self.status = output.IN_PROGRESS
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return "".join(self._pieces)

    @property
    def place(self) -> dict[str, Any]:
        """The members by which an event says what it is about."""
        return {"item_id": self.name, "output_index": self.index}

    @abstractmethod
    def shown(self) -> dict[str, Any]:
        """The item as it stands."""

    def begin(self) -> Sequence[Event]:
        """The events of an item that is new."""
        added = {"type": "response.output_item.added", "output_index": self.index, "item": self.shown()}
        return [added, *self._begun()]

    def more(self, piece: str) -> Sequence[Event]:
        """The events of a *piece*."""
        self._pieces.append(piece)
        return self._grown(piece)

    def end(self, status: str) -> Sequence[Event]:
        """The events of an item that is whole or cut, as *status* says; none where it has ended."""
        if self.status != output.IN_PROGRESS:
            return ()
        self.status = status
        ended = self._ended()
        return [*ended, {"type": "response.output_item.done", "output_index": self.index, "item": self.shown()}]

    def _begun(self) -> Sequence[Event]:
        return ()

    @abstractmethod
    def _grown(self, piece: str) -> Sequence[Event]: ...

    @abstractmethod
    def _ended(self) -> Sequence[Event]: ...


class Message(Growing):
    """A message that a model writes."""

    def shown(self) -> dict[str, Any]:
        """The message, without content before its first word."""
        unsaid = not self._pieces and self.status == output.IN_PROGRESS
        return output.message(self.name, None if unsaid else self.text, self.status)

    @property
    def place(self) -> dict[str, Any]:
        """The members by which an event says what it is about: the one part of the message."""
        return {**super().place, "content_index": 0}

    def _begun(self) -> Sequence[Event]:
        return [{"type": "response.content_part.added", **self.place, "part": output.text_part("")}]

    def _grown(self, piece: str) -> Sequence[Event]:
        return [{"type": "response.output_text.delta", **self.place, "delta": piece, "logprobs": []}]

    def _ended(self) -> Sequence[Event]:
        text = self.text
        return [
            {"type": "response.output_text.done", **self.place, "text": text, "logprobs": []},
            {"type": "response.content_part.done", **self.place, "part": output.text_part(text)},
        ]


class Reasoning(Growing):
    """A thought of a model of *service*; *thought* is all of it but the words, as far as it has come."""

    def __init__(self, index: int, name: str, service: str, thought: Thought) -> None:
        super().__init__(index, name)
        self._service = service
        self.thought = thought

    def shown(self) -> dict[str, Any]:
        """The item, with its text so far."""
        return reasoning.item(self.name, replace(self.thought, text=self.text), self._service)

    def _begun(self) -> Sequence[Event]:
        return () if self.thought.redacted is not None else reasoning.begun(self.place)

    def _grown(self, piece: str) -> Sequence[Event]:
        return [reasoning.more(self.place, piece)]

    def _ended(self) -> Sequence[Event]:
        return () if self.thought.redacted is not None else reasoning.ended(self.place, self.text)


class Call(Growing):
    """A tool that a model calls, by the members of its *function*; its result will name *call_id*."""

    def __init__(self, index: int, name: str, call_id: str, function: Mapping[str, str]) -> None:
        super().__init__(index, name)
        self._call_id = call_id
        self._function = function

    def shown(self) -> dict[str, Any]:
        """The call, whose arguments are never empty once it has ended."""
        arguments = self.text if self.status == output.IN_PROGRESS else self._arguments
        return output.call(self.name, self._call_id, self._function, arguments, self.status)

    @property
    def _arguments(self) -> str:
        return self.text or "{}"

    def _grown(self, piece: str) -> Sequence[Event]:
        return [{"type": "response.function_call_arguments.delta", **self.place, "delta": piece}]

    def _ended(self) -> Sequence[Event]:
        done = {"type": "response.function_call_arguments.done", **self.place, "name": self._function["name"]}
        return [{**done, "arguments": self._arguments}]


class CustomCall(Call):
    """A custom tool that a model calls. Its text is known when the arguments are whole that it is taken from."""

    def shown(self) -> dict[str, Any]:
        """The call, whose text comes when it has ended."""
        arguments = "" if self.status == output.IN_PROGRESS else self.text
        return output.custom_call(self.name, self._call_id, self._function, arguments, self.status)

    def more(self, piece: str) -> Sequence[Event]:
        """No event yet."""
        self._pieces.append(piece)
        return ()

    def _ended(self) -> Sequence[Event]:
        text = self.shown()["input"]
        delta = {"type": "response.custom_tool_call_input.delta", **self.place, "delta": text}
        return [delta, {"type": "response.custom_tool_call_input.done", **self.place, "input": text}]
