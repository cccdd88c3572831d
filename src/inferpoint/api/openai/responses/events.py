"""A response as the events of a stream: it begins, its items come piece by piece, it ends.

https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from inferpoint.api.openai import errors
from inferpoint.api.openai.responses import output, reasoning
from inferpoint.api.openai.responses.growing import Call, CustomCall, Growing, Message, Reasoning
from inferpoint.api.openai.responses.write import Answer
from inferpoint.errors import InferenceError, Kind
from inferpoint.model import results
from inferpoint.model.chat import Thought
from inferpoint.model.results import Delta, Finished, Started, Text, ToolCall, Usage, Used, grown
from inferpoint.protocols import sse

_CODES = {Kind.RATE_LIMITED: "rate_limit_exceeded", Kind.INVALID: "invalid_prompt"}
_CALLS = {output.CALL: Call, output.CUSTOM: CustomCall}


class Events:
    """The writer of one stream of deltas; *keep* is told the whole response when it has ended well."""

    def __init__(self, answer: Answer, keep: Callable[[dict[str, Any]], None]) -> None:
        self._answer = answer
        self._keep = keep
        self._names = output.Names(answer.id)
        self._number = 0
        self._model = ""
        self._items: list[Growing] = []
        self._said: Message | Reasoning | None = None  # the item that words go on in
        self._calls: dict[int, Call] = {}
        self._beside = Thought()  # what stood beside the answer, and waits for a thought
        self._reason: str | None = None
        self._used: Usage | None = None

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        """The events of *deltas*; before the first, that the response has begun."""
        written = b""
        if not self._number:
            self._model = next((delta.model for delta in deltas if isinstance(delta, Started)), "")
            standing = self._answer.standing(output.IN_PROGRESS, [], self._model)
            begun = ("response.created", "response.in_progress")
            written = self._written({"type": name, "response": standing} for name in begun)
        return written + b"".join(self._written(self._events(delta)) for delta in deltas)

    def end(self) -> bytes:
        """The events that end the items still open, and the response."""
        written = b""
        if self._beside.extra:
            written += self._written(self._musing(self._beside))
        if not any(isinstance(item, Message | Call) for item in self._items):
            written += self._written(self._begin(Message(len(self._items), self._names.next(output.MESSAGE))))
        reason = self._reason
        status = output.INCOMPLETE if reason else output.COMPLETED
        written += self._written(event for item in self._items for event in item.end(status))
        items = [item.shown() for item in self._items]
        response = self._answer.ended(items, self._model, reason) | {"usage": output.usage(self._used)}
        self._keep(response)
        return written + self._written([{"type": f"response.{response['status']}", "response": response}])

    def fail(self, error: InferenceError) -> bytes:
        """The events that end a broken stream: the error, and the response that failed by it."""
        described = errors.described(error)
        told = {name: described[name] for name in ("code", "message", "param")}
        failure = {"code": _CODES.get(error.kind, "server_error"), "message": str(error)}
        items = [item.shown() for item in self._items]
        response = self._answer.standing(output.FAILED, items, self._model) | {"error": failure}
        return self._written(
            [{"type": "error", **told, "error": described}, {"type": "response.failed", "response": response}]
        )

    def _events(self, delta: Delta) -> Iterator[dict[str, Any]]:
        match delta:
            case Text(text) if text:
                if not isinstance(self._said, Message):
                    yield from self._saying(Message(len(self._items), self._names.next(output.MESSAGE)))
                yield from self._going_on(text)
            case results.Reasoning():
                yield from self._thinking(delta)
            case ToolCall():
                yield from self._calling(delta)
            case Finished(_, reason):
                self._reason = self._reason or output.cut_by(reason)
            case Used(used):
                self._used = used
            case _:
                pass

    def _thinking(self, delta: results.Reasoning) -> Iterator[dict[str, Any]]:
        """The events of a piece of a thought, which its seal ends; what stands beside the next waits for it."""
        sealed = delta.signature is not None or delta.redacted is not None
        goes_on = isinstance(self._said, Reasoning) and delta.redacted is None
        if (delta.text or sealed) and not goes_on:
            thought, self._beside = grown(self._beside, replace(delta, text="")), Thought()
            yield from self._musing(thought)
        elif isinstance(self._said, Reasoning):
            self._said.thought = grown(self._said.thought, replace(delta, text=""))
        else:
            self._beside = grown(self._beside, delta)
        yield from self._going_on(delta.text)
        if sealed:
            yield from self._silence()

    def _musing(self, thought: Thought) -> Iterator[dict[str, Any]]:
        name = self._names.next(reasoning.PREFIX)
        yield from self._saying(Reasoning(len(self._items), name, self._answer.service, thought))

    def _saying(self, item: Message | Reasoning) -> Iterator[dict[str, Any]]:
        """The events of a new *item* in which words go on."""
        yield from self._silence()
        self._said = item
        yield from self._begin(item)

    def _going_on(self, piece: str) -> Iterator[dict[str, Any]]:
        if piece and self._said is not None:
            yield from self._said.more(piece)

    def _calling(self, delta: ToolCall) -> Iterator[dict[str, Any]]:
        """The events of a piece of a call. Calls stay open to the end, as their pieces may come in turns."""
        if delta.ordinal not in self._calls:
            yield from self._silence()
            kind = output.kind_of(delta, self._answer.tools)
            name, tool = self._names.next(kind), self._answer.tools.called(delta.name or "")
            call = _CALLS[kind](len(self._items), name, output.call_id(delta, name), tool)
            self._calls[delta.ordinal] = call
            yield from self._begin(call)
        if delta.arguments:
            yield from self._calls[delta.ordinal].more(delta.arguments)

    def _silence(self) -> Iterator[dict[str, Any]]:
        """The events that end the item in which words went on."""
        if self._said is not None:
            yield from self._said.end(output.COMPLETED)
            self._said = None

    def _begin(self, item: Growing) -> Sequence[dict[str, Any]]:
        self._items.append(item)
        return item.begin()

    def _written(self, events: Iterable[dict[str, Any]]) -> bytes:
        """*events* with their numbers, each under its name."""
        written: list[bytes] = []
        for event in events:
            written.append(sse.json_event({**event, "sequence_number": self._number}, event["type"]))
            self._number += 1
        return b"".join(written)
