"""Messages of Anthropic's as they are streamed. https://docs.anthropic.com/en/docs/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.model.http import Event
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, Used
from inferpoint.protocols.anthropic import failures
from inferpoint.protocols.anthropic.replies import Begun, Block
from inferpoint.protocols.anthropic.usage import Counts
from inferpoint.protocols.readers import Calls, StreamReader, broken, compact
from inferpoint.protocols.reasons import reason_of


class _Kind(msgspec.Struct):
    type: str = ""


class _Start(msgspec.Struct):
    message: Begun


class _Content(msgspec.Struct):
    index: int = 0
    content_block: Block = msgspec.field(default_factory=Block)
    delta: Block = msgspec.field(default_factory=Block)


class _Stop(msgspec.Struct):
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _End(msgspec.Struct):
    delta: _Stop = msgspec.field(default_factory=_Stop)
    usage: Any = None


class Messages(StreamReader):
    """The reader of one stream of a message; the JSON of an event says its kind, and unknown kinds say nothing."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._label = label
        self._counts = Counts()
        self._calls = Calls()
        self._called = False
        self._seals: dict[int, str] = {}  # the signatures of blocks of thought that have not ended

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        if event.name == "error":
            raise broken(failures.in_stream(event))
        match self._parsed(event, _Kind).type:
            case "message_start":
                message = self._parsed(event, _Start).message
                return [Started(message.id or "", message.model or ""), *self._used(message.usage)]
            case "content_block_start":
                return self._begun(self._parsed(event, _Content))
            case "content_block_delta":
                return self._more(self._parsed(event, _Content))
            case "content_block_stop":
                index = self._parsed(event, _Content).index
                return [*self._sealed(index), *self._calls.end(index)]
            case "message_delta":
                return self._ended(self._parsed(event, _End))
            case "message_stop":
                self._finished = True
            case "error":
                raise broken(failures.in_stream(event))
            case _:
                pass
        return ()

    def _begun(self, content: _Content) -> Sequence[Delta]:
        block = content.content_block
        match block.type:
            case "text":
                return [Text(text)] if (text := block.text_of("text", self._label)) else ()
            case "thinking":
                self._seals[content.index] = block.seal
                return [Reasoning(text)] if (text := block.text_of("thinking", self._label)) else ()
            case "redacted_thinking":
                return [Reasoning(redacted=block.text_of("data", self._label))]
            case "tool_use":
                self._called = True
                named = block.text_of("id", self._label), block.text_of("name", self._label)
                return [self._calls.begin(content.index, *named, compact(block.input, self._of))]
            case _:
                return ()

    def _more(self, content: _Content) -> Sequence[Delta]:
        piece = content.delta
        match piece.type:
            case "text_delta":
                return [Text(text)] if (text := piece.text_of("text", self._label)) else ()
            case "thinking_delta":
                return [Reasoning(text)] if (text := piece.text_of("thinking", self._label)) else ()
            case "signature_delta" if content.index in self._seals:
                self._seals[content.index] += piece.seal
                return ()
            case "input_json_delta":
                return self._calls.more(content.index, piece.text_of("partial_json", self._label))
            case _:
                return ()

    def _sealed(self, index: int) -> Iterator[Delta]:
        """The end of the thought at *index*, where it is one that is signed."""
        if seal := self._seals.pop(index, ""):
            yield Reasoning(signature=seal)

    def _ended(self, end: _End) -> Sequence[Delta]:
        deltas: list[Delta] = []
        if end.delta.stop_reason is not None:
            self._finished = True
            deltas += [delta for index in list(self._seals) for delta in self._sealed(index)]
            reason = reason_of(end.delta.stop_reason, called=self._called)
            deltas += [*self._calls.finish(), Finished(0, reason, end.delta.stop_sequence)]
        return [*deltas, *self._used(end.usage)]

    def _used(self, usage: Any) -> Sequence[Delta]:
        counts = Counts.of(usage)
        if counts is None:
            return ()
        self._counts = self._counts.then(counts)
        return [Used(self._counts.usage())]
