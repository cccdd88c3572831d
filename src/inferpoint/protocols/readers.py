"""The parts of readers of chats: an end that must be seen, tool calls, whole and in pieces, and counts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.http import NOT_JSON, Event, parse, unreadable
from inferpoint.model.results import Delta, ToolCall
from inferpoint.protocols.reasons import reason_of
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
    if type(value) is int and 0 <= value < _MOST:
        return value
    match value:
        case bool():
            return None
        case int() | float() if 0 <= value < _MOST and value == int(value):
            return int(value)
        case [alone]:
            return count(alone)
        case _:
            return None


def members(value: Any) -> Mapping[str, Any]:
    """The members of *value* where it is an object, and none where it is anything else."""
    told: Mapping[str, Any] = value
    return told if isinstance(value, dict) else {}


def compact(arguments: msgspec.Raw, of: str) -> str:
    """The arguments of a tool call in a reply as a model writes them: JSON without white space, `{}` for none."""
    try:
        text = msgspec.json.format(bytes(arguments), indent=-1).decode() if bytes(arguments) else ""
    except NOT_JSON as error:
        raise unreadable(of, error) from None
    return "{}" if text in ("", "null") else text


class Calls:
    """The tool calls of one answer, whole or streamed, in the form in which every dialect tells them.

    Ordinals count from 0 in the order in which calls begin; id and name are told once, in a call's first delta; an id
    that is empty, or that an earlier call has, is None; arguments are never empty; and an answer with a call does not
    say that it just stopped.
    """

    def __init__(self) -> None:
        self._count = 0
        self._ordinals: dict[Hashable, int] = {}
        self._silent: dict[Hashable, str] = {}
        self._ids: set[str] = set()

    def begin(
        self,
        block: Hashable,
        called: str | None,
        name: str,
        arguments: str = "{}",
        extra: Mapping[str, Any] | None = None,
    ) -> ToolCall:
        """The delta of a *block* that begins a call; *arguments* are the call's where it never says any."""
        ordinal = self._ordinals[block] = self._count
        self._count += 1
        self._silent[block] = arguments or "{}"
        if not called or called in self._ids:
            called = None
        else:
            self._ids.add(called)
        return ToolCall(ordinal, called, name, extra=extra)

    def more(self, block: Hashable, fragment: str, extra: Mapping[str, Any] | None = None) -> Sequence[ToolCall]:
        """The delta of a piece of a call's arguments; none for a block that never began one."""
        if block not in self._ordinals or not (fragment or extra):
            return ()
        if fragment:
            self._silent.pop(block, None)
        return [ToolCall(self._ordinals[block], arguments=fragment, extra=extra)]

    def end(self, block: Hashable) -> Sequence[ToolCall]:
        """The deltas still due when a *block* ends."""
        arguments = self._silent.pop(block, None)
        return () if arguments is None else [ToolCall(self._ordinals[block], arguments=arguments)]

    def finish(self) -> Iterator[ToolCall]:
        """The deltas still due when all blocks have ended, also those that did not say so."""
        for block in list(self._silent):
            yield from self.end(block)

    def reason(self, word: str | None) -> str:
        """Why the answer ended, in OpenAI's words; *word* is the provider's."""
        return reason_of(word, called=self._count > 0)
