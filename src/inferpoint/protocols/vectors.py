"""Dense vectors as JSON text, checked without reading their numbers."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import parse, unreadable

_NUMBERS = b"0123456789+-.eE, \t\r\n"


def dense(raw: msgspec.Raw, *, of: str) -> msgspec.Raw:
    """*raw* when it is a vector: a list of numbers, or base64 of little-endian 32-bit floats; else `UNREADABLE`."""
    text = bytes(raw)
    if text.startswith(b'"'):
        return _from_base64(parse(text, str, of=of), of=of)
    # Only digits and commas between two brackets: cheaper than reading 1,536 numbers, and as sure.
    inside = text[1:-1]
    if text[:1] != b"[" or text[-1:] != b"]" or not inside.strip() or inside.translate(None, _NUMBERS):
        raise unreadable(of, "an embedding is not a list of numbers")
    return raw


def written(numbers: Iterable[float]) -> msgspec.Raw:
    """32-bit numbers as JSON with the nine digits that bring each back exactly."""
    return msgspec.Raw(("[" + ",".join(f"{number:.9g}" for number in numbers) + "]").encode())


def as_base64(vector: msgspec.Raw) -> str:
    """A vector as base64 of little-endian 32-bit floats."""
    numbers = msgspec.json.decode(vector, type=list[float])
    try:
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except OverflowError:
        raise InferenceError(Kind.UNREADABLE, "An embedding has a number that 32 bits do not hold") from None


def length(vector: msgspec.Raw) -> int:
    """How many numbers a vector holds."""
    return bytes(vector).count(b",") + 1


def in_order(rows: Sequence[tuple[int, Any]], *, of: str) -> list[Any]:
    """The values of *rows* in the order of their indices; one that is missing or twice there is `UNREADABLE`."""
    ordered = sorted(rows, key=lambda row: row[0])
    if [index for index, _ in ordered] != list(range(len(rows))):
        raise unreadable(of, f"the indices are not 0 to {len(rows) - 1}")
    return [value for _, value in ordered]


def _from_base64(text: str, *, of: str) -> msgspec.Raw:
    try:
        numbers = array("f", base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        numbers = array("f")
    if not numbers or not all(map(math.isfinite, numbers)):  # JSON has no word for the others
        raise unreadable(of, "an embedding is not base64 of 32-bit floats")
    return written(numbers)
