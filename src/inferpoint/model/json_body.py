"""A body as JSON: measured before one of its values is built, and refused where a member would be lost.

A body of few bytes can hold millions of values, each of which takes a hundred bytes once it is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from inferpoint.model.http import NOT_JSON

_MARK = b"\xef\xbb\xbf"  # the byte-order mark that some editors of Windows put before a text
_PIECE = 256 * 1024  # bytes that are looked at in one step, between which other threads go on
_VALUE_BYTES = 100
_WIDEST_BYTES = 4
# Half a surrogate pair is an escape that is no character; JavaScript writes one where it cut an emoji.
_SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*(\\u([dD][89a-fA-F][0-9a-fA-F]{2}))(\\u[dD][c-fC-F][0-9a-fA-F]{2})?")
# Characters that take four bytes in memory, and those that take two.
_WIDEST = re.compile(rb"[\xf0-\xf7]|\\u[dD][89abAB]")
_WIDE = re.compile(rb"[\xc4-\xef]|\\u")


class JsonBody(msgspec.Struct, frozen=True):
    """What a body holds: the JSON *value*, or the *fault* for which it has none.

    `twice` is the name of a member that one object has twice. An empty body is `empty`.
    """

    value: Any = None
    fault: str = ""
    twice: str | None = None
    empty: bool = False


@dataclass(frozen=True)
class Measure:
    """How many values and members are written in a body, and how many bytes they take at most once they are built."""

    values: int
    members: int
    built: int


def measured(body: bytes) -> Measure:
    """The measure of *body*, without building anything."""
    values = members = inside = 0
    width = 1
    for start, end in _pieces(body):
        piece = body[start:end]
        if width < _WIDEST_BYTES and not (piece.isascii() and b"\\u" not in piece):
            width = max(width, _width(body[start : end + len(rb"\ud83d")]))
        parts = piece.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        outside = b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
        values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        members += outside.count(b":")
    return Measure(values, members, values * _VALUE_BYTES + len(body) * width)


def decoded(body: bytes, measure: Measure | None = None) -> JsonBody:
    """The value of *body*, whose *measure* may be known. A byte-order mark before it is no part of it."""
    text = body[len(_MARK) :] if body[: len(_MARK)] == _MARK else body
    try:
        value: dict[str, Any] = msgspec.json.decode(text)  # or of any other type
    except NOT_JSON as error:
        is_empty = not text or text.isspace()
        return JsonBody(empty=True) if is_empty else JsonBody(fault=_half_a_pair(text) or str(error))
    colons = text.count(b":")
    if type(value) is dict and len(value) == colons:
        return JsonBody(value)  # its members are all that is written, each once
    built = _members(value, text.count(b"{"))
    if colons == built or (measure or measured(text)).members == built:
        return JsonBody(value)
    return JsonBody(twice=_first_twice(text))


def _pieces(body: bytes) -> Iterator[tuple[int, int]]:
    """Where pieces of *body* begin and end, none of them within an escape."""
    start = 0
    while start < len(body):
        end = start + _PIECE
        while body[end - 1 : end] == b"\\":
            end += 1
        yield start, end
        start = end


def _width(text: bytes) -> int:
    """How many bytes each character of *text* takes in memory: as many as its widest."""
    return _WIDEST_BYTES if _WIDEST.search(text) else 2 if _WIDE.search(text) else 1


def _members(value: Any, objects: int) -> int:
    """How many members all objects of *value* have, of which there are no more than so many *objects*."""
    members = 0
    pending: list[Any] = [value]
    for inner in pending if objects else ():  # to which more is added meanwhile
        if type(inner) is dict:
            members += len(inner)  # pyright: ignore[reportUnknownArgumentType] - of the built-in type
            pending += inner.values()  # pyright: ignore[reportUnknownMemberType]
            objects -= 1
            if not objects:
                break
        elif type(inner) is list:
            pending += inner
    return members


def _half_a_pair(text: bytes) -> str:
    """What is told of the first half of a surrogate pair in *text*; nothing where there is none."""
    for match in _SURROGATE.finditer(text):
        if match[3] is None or match[2][1:2].lower() in b"cdef":
            return f"{match[1].decode()} at {_place(text, match.start(1))} is half a surrogate pair"
    return ""


def _place(text: bytes, at: int) -> str:
    line, column = text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at)
    return f"line {line}, column {column}"


class _TwiceError(Exception):
    """An object has two members of the name that is told."""


def _first_twice(text: bytes) -> str:
    """The name of the first member that an object of *text* has twice; empty where it cannot be told."""

    def checked(members: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in members:
            if name in names:
                raise _TwiceError(name)
            names.add(name)

    try:
        json.loads(text, object_pairs_hook=checked, parse_int=len, parse_float=len)
    except _TwiceError as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return ""
