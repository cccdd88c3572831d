"""The events of a streamed chat, each of which says its type. https://docs.cohere.com/v2/docs/streaming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.model.http import Event
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, Used
from inferpoint.protocols.readers import Calls, StreamReader, members
from inferpoint.services.cohere.replies import COMPLETIONS, FAILED, failed, usage


class _Delta(msgspec.Struct):
    message: Any = None
    finish_reason: Any = None
    usage: Any = None
    error: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    id: Any = None
    index: Any = None
    delta: _Delta = msgspec.field(default_factory=_Delta)


class Events(StreamReader):
    """The reader of one stream; events of other types, such as citations, say nothing."""

    def __init__(self) -> None:
        super().__init__(COMPLETIONS)
        self._calls = Calls()
        self._told = {
            "message-start": self._started,
            "content-start": self._content,
            "content-delta": self._content,
            "tool-call-start": self._call,
            "tool-call-delta": self._arguments,
            "tool-call-end": self._called,
            "message-end": self._ended,
        }

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        if event.data.strip() in (b"", b"[DONE]"):
            return ()
        told = self._parsed(event, _Event)
        read = self._told.get(told.type)
        return () if read is None else read(told)

    def _started(self, event: _Event) -> Sequence[Delta]:
        return [Started(event.id if isinstance(event.id, str) else "", "")]

    def _content(self, event: _Event) -> Sequence[Delta]:
        match members(event.delta.message).get("content"):
            case {"text": str(words)} if words:
                return [Text(words)]
            case {"thinking": str(words)} if words:
                return [Reasoning(words)]
            case _:
                return ()

    def _call(self, event: _Event) -> Sequence[Delta]:
        match members(event.delta.message).get("tool_calls"):
            case {"id": str(name), "function": {"name": str(called), **rest}}:
                begun = self._calls.begin(str(event.index), name, called)
                arguments = rest.get("arguments")
                more = arguments if isinstance(arguments, str) else ""
                return [begun, *self._calls.more(str(event.index), more)]
            case _:
                return ()

    def _arguments(self, event: _Event) -> Sequence[Delta]:
        match members(event.delta.message).get("tool_calls"):
            case {"function": {"arguments": str(fragment)}}:
                return self._calls.more(str(event.index), fragment)
            case _:
                return ()

    def _called(self, event: _Event) -> Sequence[Delta]:
        return self._calls.end(str(event.index))

    def _ended(self, event: _Event) -> Sequence[Delta]:
        last = event.delta
        reason = last.finish_reason if isinstance(last.finish_reason, str) else ""
        if last.error or reason.lower() in FAILED:
            raise failed(last.error or reason)
        self._finished = True
        used = usage(last.usage)
        ended = [*self._calls.finish(), Finished(0, self._calls.reason(reason))]
        return ended if used is None else [*ended, Used(used)]
