"""The tool calls of a stream in OpenAI's format, out of pieces that say in many ways which call they belong to.

OpenAI gives every piece the index of its call, and the first of a call its id and name. Others leave the index out, say
0 for every call, begin at 1, repeat id and name in each piece, make up an id for each, or tell the name last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from inferpoint.model.http import NOT_JSON, unreadable
from inferpoint.model.results import ToolCall
from inferpoint.protocols.openai.replies import Call, text
from inferpoint.protocols.readers import Calls


@dataclass(frozen=True)
class _Piece:
    index: int | None
    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] | None


@dataclass(eq=False)
class _Open:
    """A call as far as it has come; `begun` is whether it was told, which waits for its name."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: Mapping[str, Any] | None = None
    begun: bool = False

    @property
    def whole(self) -> bool:
        """Whether the arguments are a whole object, so that nothing can follow."""
        if not self.arguments.rstrip().endswith("}"):
            return False
        try:
            msgspec.json.decode(self.arguments, type=dict[str, msgspec.Raw])
        except NOT_JSON:
            return False
        return True


class Pieces:
    """The calls of one stream; *of* names it in errors."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._calls = Calls()
        self._open: list[_Open] = []

    def feed(self, calls: Sequence[Call]) -> Iterator[ToolCall]:
        """The deltas of the pieces in one chunk."""
        fed: list[_Open] = []
        for call in calls:
            index = call.index if type(call.index) is int else None
            piece = _Piece(index, text(call.id), call.name, call.arguments(self._of), call.extra)
            owner = self._owner(piece)
            if owner is None or not _goes_on(owner, piece, again=owner in fed):
                yield from self._named()
                owner = _Open(piece.index)
                self._open.append(owner)
            fed.append(owner)
            yield from self._add(owner, piece)

    def finish(self) -> Iterator[ToolCall]:
        """The deltas still due when the answer is whole; `UNREADABLE` when a call never had a name."""
        yield from self._named()
        if any(call.arguments and not call.begun for call in self._open):
            raise unreadable(self._of, "a tool call has no name")
        yield from self._calls.finish()

    def reason(self, word: str) -> str:
        """Why the answer ended, in OpenAI's words; *word* is the server's."""
        return self._calls.reason(word)

    def _owner(self, piece: _Piece) -> _Open | None:
        """The call that *piece* seems to go on with: that of its id, else that of its index, else the last."""
        last = self._open[-1] if self._open else None
        for call in reversed(self._open):
            if piece.id and call.id == piece.id:
                return call
        if piece.index is None:
            return last
        for call in reversed(self._open):
            if call.index == piece.index:
                return call
        return None if piece.id or piece.name or last is None or last.whole else last

    def _add(self, call: _Open, piece: _Piece) -> Iterator[ToolCall]:
        if piece.arguments and piece.arguments == call.arguments and call.whole:
            return  # the whole call once more
        call.arguments += piece.arguments
        if call.begun:
            yield from self._calls.more(call, piece.arguments, piece.extra)
            return
        call.id = call.id or piece.id
        call.name = piece.name if piece.name.startswith(call.name) else call.name + piece.name
        call.extra = piece.extra or call.extra
        if call.name and call.arguments:
            yield from self._begin(call)

    def _named(self) -> Iterator[ToolCall]:
        """The deltas of calls whose names are whole, as what follows is of another call."""
        for call in self._open:
            if call.name and not call.begun:
                yield from self._begin(call)

    def _begin(self, call: _Open) -> Iterator[ToolCall]:
        call.begun = True
        yield self._calls.begin(call, call.id, call.name, extra=call.extra)
        yield from self._calls.more(call, call.arguments)


def _goes_on(call: _Open, piece: _Piece, *, again: bool) -> bool:
    """Whether *piece* is one of *call*; *again* when another piece of its chunk was."""
    if piece.id and call.id and piece.id != call.id:
        # Some make up an id for each piece: a new call would say its name, or come when this one is whole.
        return bool(call.name) and not piece.name and piece.index == call.index and not call.whole
    if not (piece.name and call.name):
        return True
    if piece.id and piece.id == call.id:
        if None not in (piece.index, call.index) and piece.index != call.index:
            return False  # an id that is no more than the tool's name
    elif piece.index is None:
        return not again and piece.name == call.name and bool(call.arguments) and not call.whole
    return not call.whole or piece.arguments in ("", call.arguments)
