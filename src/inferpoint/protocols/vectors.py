"""Rows of answers, each for its own input; dense vectors among them are checked without reading their numbers."""

from __future__ import annotations

import math
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import Element
from inferpoint.model.http import NOT_JSON, parse, unreadable
from inferpoint.model.results import Embeddings, Usage
from inferpoint.model.vectors import is_packed, length, listed, numbers

R = TypeVar("R")
V = TypeVar("V")

NONE = msgspec.Raw(b"null")  # in the place of a vector
_NUMBERS = b"0123456789+-.eE, \t\r\n"
_BLANKS = b" \t\r\n"


def dense(raw: msgspec.Raw, *, of: str, packed: bool = False) -> msgspec.Raw:
    """*raw* when it is a vector, which is packed only where it may be; else `UNREADABLE`."""
    if is_packed(raw):
        checked = _checked(raw, of=of)
        return checked if packed else listed(checked)
    text = bytes(raw)
    # Only digits and commas between two brackets: cheaper than reading 1,536 numbers, and as sure.
    inside = text[1:-1]
    if text[:1] != b"[" or text[-1:] != b"]" or not inside.strip() or inside.translate(None, _NUMBERS):
        raise unreadable(of, "an embedding is not a list of numbers")
    return raw


def of_integers(embedded: Embeddings, element: Element, *, of: str) -> Embeddings:
    """*embedded* as vectors of *element*: where those are signed bytes what holds another number is none."""
    if element is Element.FLOAT:
        return embedded

    def read(vector: Any) -> Any:
        for number in parse(bytes(vector), list[int], of=of) if vector is not None else ():
            if not -128 <= number <= 127:
                raise unreadable(of, f"Value [{number}] is out of range for a byte")
        return vector

    values, errors = by_row(embedded.vectors, read)
    return replace(embedded, vectors=values, errors={**embedded.errors, **errors})


def sliced(body: bytes, key: bytes) -> tuple[bytes, list[msgspec.Raw]] | None:
    """The lists of numbers that follow each *key* in a JSON text, and the text with 0 in their places.

    None where anything else may follow one: whoever reads the text whole finds what. All lists are looked through for
    what no number holds, the syntax of the numbers is read in the first alone: one program wrote them all.
    """
    view = memoryview(body)  # the lists are parts of the text: their copies would be new pages for each answer
    lists: list[msgspec.Raw] = []
    rest = b""
    at, end, length, size = body.find(key), 0, len(key), len(body)
    while at >= 0:
        begin = at + length
        rest += body[end:begin] + b"0"
        while begin < size and body[begin] in _BLANKS:
            begin += 1
        end = body.find(b"]", begin) + 1
        if body[begin : begin + 1] != b"[" or not _are_numbers(body[begin + 1 : end]):
            return None
        lists.append(msgspec.Raw(view[begin:end]))
        at = body.find(key, end)
    if not lists or not _is_json(lists[0]):
        return None
    return rest + body[end:], lists


def _are_numbers(text: bytes) -> bool:
    """Whether a list holds numbers alone, for all that letters, brackets and commas at its ends tell.

    *text* is all of it but its first bracket.
    """
    if text[:1] == b"," or b"[" in text or b"{" in text or b'"' in text:
        return False
    if b"u" in text or b"a" in text or b"t" in text:  # null, true, false, NaN, Infinity
        return False
    return b"0" <= text[-2:-1] <= b"9" or text[:-1].rstrip()[-1:].isdigit()


def _is_json(text: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except NOT_JSON:
        return False
    return True


def other_lengths(vectors: Sequence[msgspec.Raw | None], wanted: int) -> Mapping[int, int]:
    """The lengths of those of *vectors* that hold more or fewer than the *wanted* numbers, by their places.

    One server wrote them all: unless its shortest or longest text is of another length none is, and the others, which
    take longer to count than to send, are not looked at.
    """
    texts = [vector for vector in vectors if vector is not None]
    if not texts or wanted == length(min(texts, key=len)) == length(max(texts, key=len)):
        return {}
    lengths = [wanted if vector is None else length(vector) for vector in vectors]
    return {place: count for place, count in enumerate(lengths) if count != wanted}


def by_row(rows: Sequence[R], read: Callable[[R], V]) -> tuple[list[V | None], Mapping[int, InferenceError]]:
    """What *read* makes of each of *rows*, and by their places the errors of those that it refuses.

    When it refuses all of them, the first error is raised: it is the answer that cannot be read, and no input of many
    that is at fault.
    """
    values: list[V | None] = []
    errors: dict[int, InferenceError] = {}
    for place, row in enumerate(rows):
        try:
            values.append(read(row))
        except InferenceError as error:
            values.append(None)
            errors[place] = error
    if errors and len(errors) == len(rows):
        raise errors[0]
    return values, errors


def embeddings(
    rows: Sequence[msgspec.Raw | InferenceError | None],
    *,
    of: str,
    usage: Usage | None = None,
    cut: frozenset[int] = frozenset(),
    packed: bool = False,
) -> Embeddings:
    """Dense vectors, one for each of *rows*; one that is missing (None) or no vector has an error in its place.

    With *packed* those that came as base64 stay so. The error is raised when none of them is a vector.
    """
    if packed and all(type(row) is msgspec.Raw and _are_floats(row) for row in rows):
        return Embeddings(rows, usage, cut)

    def read(row: msgspec.Raw | InferenceError | None) -> msgspec.Raw:
        if row is None:
            raise unreadable(of, "there is no embedding for the input")
        if isinstance(row, InferenceError):
            raise row
        return dense(row, of=of, packed=packed)

    values, errors = by_row(rows, read)
    return Embeddings(values, usage, cut, errors)


def placed(rows: Sequence[tuple[Any, V]], count: int) -> list[V | None]:
    """The values of *rows*, which have an index each, in the order of *count* inputs.

    Indices that are 0 to n - 1 in any order, or begin elsewhere, tell the order; of fewer rows than inputs they tell
    which are missing (None), where they have a gap. All others tell nothing, such as 0 in every row, and the order is
    that in which the rows came.
    """
    values = [value for _, value in rows]
    if [index for index, _ in rows] == [*range(count)]:
        return [*values]
    indices = [index for index, _ in rows if type(index) is int]  # no bool
    if len(indices) != len(rows) or len(set(indices)) != len(rows) or not rows:
        return list(values)
    first, last = min(indices), max(indices)
    by_index = dict(zip(indices, values, strict=True))
    if first >= 0 and len(rows) <= last < count:
        return [by_index.get(index) for index in range(count)]
    if last - first == len(rows) - 1:
        return [by_index[index] for index in range(first, last + 1)]
    return list(values)


def _checked(raw: msgspec.Raw, *, of: str) -> msgspec.Raw:
    """*raw* when it is base64 of finite floats; with its escapes read, as some programs write every / with one."""
    if _are_floats(raw):
        return raw
    read = msgspec.Raw(b'"' + parse(bytes(raw), str, of=of).encode() + b'"')
    if not _are_floats(read):
        raise unreadable(of, "an embedding is not base64 of 32-bit floats")
    return read


def _are_floats(raw: Any) -> bool:
    """Whether *raw* is base64 without an escape, of floats that are finite: JSON has no word for others."""
    text = memoryview(raw)
    try:
        data = a2b_base64(text[1:-1], strict_mode=True)
    except ValueError:
        return False
    high = data[3::4]  # a sign, and most bits of an exponent: all of them are set in what is not finite
    if 0x7F in high or 0xFF in high:
        return len(data) % 4 == 0 and all(map(math.isfinite, numbers(raw)))
    return len(data) % 4 == 0 < len(data) and text[0] == ord('"')
