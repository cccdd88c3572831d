"""Deltas as the events of one of Anthropic's streams. https://docs.anthropic.com/en/docs/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.api.anthropic import thoughts, write
from inferpoint.api.anthropic.write import Teller
from inferpoint.model.chat import Thought
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, ToolCall, Usage, Used, grown
from inferpoint.protocols import sse

_MORE = "content_block_delta"
_TEXT, _THOUGHT, _REDACTED = "text", "thought", "redacted"
_MUSING: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
_EMPTY: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}


def event(name: str, **members: Any) -> bytes:
    """One event; clients pass over those without their `event:` line."""
    return sse.json_event({"type": name, **members}, name)


PING = event("ping")


class Events:
    """Writes one stream: blocks open and close one after the other, the cost and the reason come last.

    A block that was closed cannot go on, so that what comes while a call is not whole yet waits until it is.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._begun = False
        self._used: Usage | None = None
        self._finished = Finished(0, "stop")
        self._open: int | str | None = None  # the ordinal of a tool's call, or the kind of another block
        self._index = -1
        self._arguments: list[str] = []  # of the call that is open
        self._waiting: list[Delta] = []
        self._thinking = Thought()  # the seal of the thought that is open, and what stands beside it or the next

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        """The events of *deltas*."""
        self._used = next((delta.usage for delta in reversed(deltas) if isinstance(delta, Used)), self._used)
        events: list[bytes] = []
        texts: list[str] = []  # which are written together: their events differ in nothing else
        for delta in deltas:
            if type(delta) is Text and self._open == _TEXT:
                texts += (delta.text,)
                continue
            events += (self._texts(texts), *self._of(delta))
            texts = []
        events.append(self._texts(texts))
        return b"".join(events)

    def end(self) -> bytes:
        """The events that end a whole answer."""
        last = write.ended(self._finished.reason, self._finished.stop_sequence)
        closing = [*self._begin(""), *self._rest(), *self._close(), *self._left()]
        closing.append(event("message_delta", delta=last, usage=write.usage(self._used)))
        return b"".join([*closing, event("message_stop")])

    def _of(self, delta: Delta) -> Iterator[bytes]:
        match delta:
            case Started(name):
                yield from self._begin(name)
            case Finished(0):
                self._finished = delta
            case Text() | ToolCall() | Reasoning():
                yield from self._content(delta)
            case _:
                return

    def _content(self, delta: Text | ToolCall | Reasoning) -> Iterator[bytes]:
        match delta:
            case ToolCall(ordinal) if ordinal == self._open:
                yield from self._call(delta)
                if self._waiting and self._whole():
                    yield from self._go_on()
            case _ if isinstance(self._open, int) and not self._whole():
                self._waiting.append(delta)
            case ToolCall():
                yield from self._call(delta)
            case Text(text):
                yield from self._in(_TEXT, {"type": "text", "text": ""})
                yield self._more({"type": "text_delta", "text": text})
            case Reasoning() if self._teller.thinking:
                yield from self._thought(delta)
            case Reasoning():
                return

    def _call(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._in(call.ordinal, write.begun(call))
        if call.arguments:
            self._arguments.append(call.arguments)
            yield self._more({"type": "input_json_delta", "partial_json": call.arguments})

    def _thought(self, thought: Reasoning) -> Iterator[bytes]:
        service = self._teller.service
        if thought.text or thought.signature:
            yield from self._in(_THOUGHT, _MUSING)
        if thought.text:
            yield self._more({"type": "thinking_delta", "thinking": thought.text})
        if thought.redacted is None:
            self._thinking = grown(self._thinking, replace(thought, text=""))
        if thought.signature:
            yield from self._close()
        if thought.redacted is not None:
            yield from self._close()
            yield from self._in(_REDACTED, thoughts.written(Thought(redacted=thought.redacted), service))
            yield from self._close()

    def _whole(self) -> bool:
        """Whether the open call has all of its arguments."""
        try:
            msgspec.json.decode("".join(self._arguments), type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True

    def _go_on(self) -> Iterator[bytes]:
        """What waited, as far as it need not wait again."""
        waiting, self._waiting = self._waiting, []
        return (written for delta in waiting for written in self._of(delta))

    def _rest(self) -> Iterator[bytes]:
        """All that waits still; calls that are not whole at the end do not become it."""
        while self._waiting:
            yield from self._close()
            yield from self._go_on()

    def _begin(self, name: str) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            shell = {**self._teller.shell(name), **_EMPTY}
            yield event("message_start", message={**shell, "content": [], "usage": write.usage(self._used)})

    def _in(self, key: int | str, block: Any) -> Iterator[bytes]:
        """See that the block of *key* is the open one."""
        yield from self._begin("")
        if self._open != key:
            yield from self._close()
            self._open, self._arguments = key, []
            self._index += 1
            yield event("content_block_start", index=self._index, content_block=block)

    def _more(self, delta: dict[str, Any]) -> bytes:
        return event(_MORE, index=self._index, delta=delta)

    def _texts(self, texts: Sequence[str]) -> bytes:
        """Pieces of the text that is open."""
        if not texts:
            return b""
        piece = {"type": _MORE, "index": self._index, "delta": {"type": "text_delta", "text": sse.SLOT}}
        return sse.repeated(sse.around(piece, _MORE), texts)

    def _close(self) -> Iterator[bytes]:
        if self._open == _THOUGHT:
            thought, self._thinking = self._thinking, Thought()
            if seal := thoughts.signature(thought, self._teller.service):
                yield self._more({"type": "signature_delta", "signature": seal})
        if self._open is not None:
            self._open = None
            yield event("content_block_stop", index=self._index)

    def _left(self) -> Iterator[bytes]:
        """A block for what stood beside the answer, without a thought."""
        if self._thinking.extra:
            yield from self._in(_THOUGHT, _MUSING)
            yield from self._close()
