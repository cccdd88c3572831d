"""The parts of readers of chats: an end that must be seen, and tool calls, whole and in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.http import NOT_JSON, Event, parse, unreadable
from inferpoint.model.results import Delta, ToolCall
from inferpoint.protocols.service import Reader

T = TypeVar("T")
_MOST = 2**53  # of what a count may be


def broken(upstream: Upstream) -> InferenceError:
    """The error in which a stream ends after headers that said 200; *upstream* has the status that it stands for."""
    return InferenceError(kind_of_status(upstream.status), "Received an error response", upstream=upstream)


class StreamReader(Reader):
    """The base of readers whose streams must tell their end; *label* names the task in errors."""

    def __init__(self, label: str) -> None:
        self._of = f"{label} stream"
        self._finished = False

    @override
    def end(self) -> Sequence[Delta]:
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {self._of} ended before its end")
        return ()

    def _parsed(self, event: Event, shape: type[T]) -> T:
        return parse(event.data, shape, of=self._of)


def count(value: Any) -> int | None:
    """A count of tokens in whatever form a provider tells it; None when it is not known.

    Fractions that are whole and lists of one stand for their number; -1, null and all else for a count nobody knows. A
    count is never worth an answer that is paid for.
    """
    match value:
        case bool():
            return None
        case int() | float() if 0 <= value < _MOST and value == int(value):
            return int(value)
        case [alone]:
            return count(alone)
        case _:
            return None


def compact(arguments: msgspec.Raw, of: str) -> str:
    """The arguments of a tool call in a reply as a model writes them: JSON without white space."""
    try:
        return msgspec.json.format(bytes(arguments), indent=-1).decode()
    except NOT_JSON as error:
        raise unreadable(of, error) from None


class Calls:
    """The tool calls of one stream: each block's call, and whether its arguments have come."""

    def __init__(self) -> None:
        self._ordinals: dict[int, int] = {}
        self._silent: dict[int, str] = {}

    def begin(self, block: int, called: str, name: str, arguments: str = "{}") -> ToolCall:
        """The delta of a *block* that begins a call; *arguments* are the call's where it never says any."""
        ordinal = self._ordinals[block] = len(self._ordinals)
        self._silent[block] = arguments
        return ToolCall(ordinal, called, name)

    def more(self, block: int, fragment: str) -> Sequence[ToolCall]:
        """The delta of a piece of a call's arguments; none for a block that never began one."""
        if block not in self._ordinals or not fragment:
            return ()
        self._silent.pop(block, None)
        return [ToolCall(self._ordinals[block], arguments=fragment)]

    def end(self, block: int) -> Sequence[ToolCall]:
        """The deltas still due when a *block* ends."""
        arguments = self._silent.pop(block, None)
        return () if arguments is None else [ToolCall(self._ordinals[block], arguments=arguments)]

    def finish(self) -> Iterator[ToolCall]:
        """The deltas still due when all blocks have ended, also those that did not say so."""
        for block in list(self._silent):
            yield from self.end(block)
