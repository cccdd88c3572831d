"""How large an expression becomes when it is compiled: each counted repetition is written out then."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Group:
    size: int = 0
    last: int = 0  # of its last part, which a repetition repeats


class ExpressionSize:
    """The size of an expression in characters, repetitions written out, as its parts are told from left to right.

    `groups` counts its groups, and `repeats` is whether one of them is repeated.
    """

    def __init__(self) -> None:
        self._open = [_Group()]
        self._closed = False
        self.groups = 0
        self.repeats = False

    @property
    def total(self) -> int:
        """The size of all that was told."""
        return sum(group.size for group in self._open)

    def part(self, size: int) -> None:
        """A part of that *size*, which may be repeated."""
        self._open[-1].size += size
        self._open[-1].last = size
        self._closed = False

    def opened(self, size: int) -> None:
        """The beginning of a group or a character class, written in so many characters."""
        self._open.append(_Group(size))
        self._closed = False

    def closed(self, *, group: bool) -> None:
        """The end of a *group* or else of a character class: one part of what is around it."""
        if len(self._open) > 1:
            self.part(self._open.pop().size + 1)
        self.groups += group
        self._closed = group

    def repeated(self, least: int, *, once: bool) -> None:
        """The last part is there *least* times, and perhaps more often; at most *once* it is not remembered."""
        group = self._open[-1]
        group.size += group.last * (max(least, 1) - 1) + 1
        group.last *= max(least, 1)
        self.repeats |= self._closed and not once
        self._closed = False
