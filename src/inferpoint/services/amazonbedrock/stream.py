"""Answers of ConverseStream, in events.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.model.http import Event
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, Used
from inferpoint.protocols.readers import Calls, StreamReader
from inferpoint.services.amazonbedrock import account
from inferpoint.services.amazonbedrock.account import Account
from inferpoint.services.amazonbedrock.replies import COMPLETIONS, Block, End, usage_of


class _Fragment(msgspec.Struct):
    input: str | None = None


class _Musing(msgspec.Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None

    def read(self) -> Sequence[Reasoning]:
        piece = Reasoning(self.text or "", self.signature, self.redacted_content)
        return () if piece == Reasoning() else [piece]


class _Fragments(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _Fragment | None = None
    reasoning_content: _Musing | None = None


class _Piece(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: Block = msgspec.field(default_factory=Block)
    delta: _Fragments = msgspec.field(default_factory=_Fragments)


class _Metadata(msgspec.Struct):
    usage: Any = None


class Events(StreamReader):
    """The reader of one ConverseStream; events of unknown names say nothing."""

    def __init__(self, model: Account) -> None:
        super().__init__(COMPLETIONS)
        self._model = model
        self._calls = Calls()

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        if error := account.raised(event):
            raise error
        match event.name:
            case "messageStart":
                return [Started("", self._model.model)]
            case "contentBlockStart" | "contentBlockDelta" | "contentBlockStop":
                return self._block(event.name, self._parsed(event, _Piece))
            case "messageStop":
                self._finished = True
                end = self._parsed(event, End)
                finished = Finished(0, end.reason(self._calls), end.stop_sequence)
                return [*self._calls.finish(), finished]
            case "metadata":
                usage = usage_of(self._parsed(event, _Metadata).usage)
                return [Used(usage)] if usage else ()
            case _:
                return ()

    def _block(self, name: str, piece: _Piece) -> Sequence[Delta]:
        block, delta = piece.content_block_index, piece.delta
        match name:
            case "contentBlockStart":
                use = piece.start.tool_use
                return [self._calls.begin(block, use.tool_use_id, use.name)] if use else ()
            case "contentBlockStop":
                return self._calls.end(block)
            case _ if delta.tool_use:
                return self._calls.more(block, delta.tool_use.input or "")
            case _ if delta.reasoning_content:
                return delta.reasoning_content.read()
            case _:
                return [Text(delta.text)] if delta.text else ()
