"""Chat completion chunks of OpenAI's format, to deltas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Upstream
from inferpoint.model.chat import Thought
from inferpoint.model.http import NOT_JSON, Event, Reply, parse, unreadable
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, Used
from inferpoint.protocols.openai import usage
from inferpoint.protocols.openai.failures import complaint, stands_for
from inferpoint.protocols.openai.pieces import Pieces
from inferpoint.protocols.openai.replies import Message, text
from inferpoint.protocols.readers import StreamReader, broken

_LONGEST_END = 16  # bytes of an event that may be the last
_NOTHING = Message()


class _Choice(msgspec.Struct):
    delta: Message | None = None
    index: int | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice | None] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None
    object: Any = None
    error: Any = None
    error_msg: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Chunks(StreamReader):
    """The reader of one stream of chat completion chunks.

    The end is `[DONE]` after anything that was answered or, from servers that do not send it, the body's end after a
    finish reason. Why it ended is told when the cost or the end comes: some servers give a reason in every chunk, some
    before a call, some never. *extension* is the member of the server's own, if it has one, in which a chunk may say by
    an `error` that the stream stops early.
    """

    def __init__(self, label: str, extension: str | None = None) -> None:
        super().__init__(label)
        self._extension = extension
        self._started = False
        self._answered = False
        self._done = False
        self._pieces = Pieces(self._of)
        self._reasons: dict[int, str] = {}  # as the server says them
        self._told: dict[int, str] = {}

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        data = event.data
        if not data[_LONGEST_END:] and data.strip().upper() == b"[DONE]":
            self._done = True
            return list(self._ended()) if self._answered else ()
        try:
            chunk = _decode(data)
        except NOT_JSON:
            chunk = _Chunk(error=True) if event.name == "error" else parse(data, _Chunk, of=self._of)
        if chunk.error or chunk.error_msg or chunk.object == "error" or event.name == "error":
            raise broken(_refusal(event))
        if self._extension is not None and b'"error"' in data:
            self._look_into(self._extension, event)
        deltas: list[Delta] = []
        if not self._started and (chunk.choices or chunk.id):  # Azure begins with what it filtered, which says neither
            self._started = True
            deltas.append(Started(text(chunk.id), text(chunk.model)))
        for choice in filter(None, chunk.choices or ()):
            message = choice.delta or _NOTHING
            if choice.finish_reason is None and (words := message.words):
                deltas += (Text(words),)
                self._answered = True
            else:
                self._read(choice, message, deltas)
        if chunk.usage and (used := usage.read(chunk.usage)):
            if self._reasons:
                deltas += self._ended()
            deltas.append(Used(used))
        return deltas

    @override
    def end(self) -> Sequence[Delta]:
        if self._done and not self._answered:
            raise unreadable(self._of, "nothing was answered before its end")
        rest = list(self._ended()) if self._reasons else []
        return [*rest, *super().end()]

    def _ended(self) -> Iterator[Delta]:
        """What is due when an answer is whole, as far as it was not told."""
        self._finished = True
        yield from self._pieces.finish()
        for choice, word in (self._reasons or {0: ""}).items():
            reason = self._pieces.reason(word)
            if self._told.get(choice) != reason:
                self._told[choice] = reason
                yield Finished(choice, reason)

    def _look_into(self, extension: str, event: Event) -> None:
        match self._parsed(event, dict[str, Any]).get(extension):
            case {"error": str(message)}:
                raise broken(Upstream(500, message))
            case _:
                pass

    def _read(self, choice: _Choice, message: Message, deltas: list[Delta]) -> None:
        """Add what *choice* tells by *message* to *deltas*."""
        parts, calls = message.parts, message.calls
        for part in parts:
            if type(part) is Thought:
                deltas.append(Reasoning(part.text, member=part.member, extra=part.extra))
            elif part.text:
                deltas.append(Text(part.text))
        if calls:
            deltas += self._pieces.feed(calls)
        if word := text(choice.finish_reason):
            self._reasons[choice.index or 0] = word
        self._answered = self._answered or bool(parts or calls or word)


def _refusal(event: Event) -> Upstream:
    """The error that an event is, with the status that it stands for; its words as they are where it is no JSON."""
    try:
        return stands_for(complaint(Reply(500, event.data)))
    except InferenceError:
        return Upstream(500, event.data.decode("utf-8", "replace").strip())
