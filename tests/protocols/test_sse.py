from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event
from inferpoint.protocols import sse
from inferpoint.protocols.sse import LONGEST_EVENT, ServerSentEvents, written

# Every byte sequence that means something here, and some that must not.
BYTES = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"data: x\n\n", b"x", b"{}",
         b"\xef\xbb\xbf",
         "\u2028".encode(), "\u2029".encode(), "\u0085".encode(), b"\x85", b"\xff", b"\x00", b"\x0b", b"\x0c", b"\x1c"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


def read(pieces: Iterable[bytes]) -> list[Event]:
    reading = ServerSentEvents()
    return [event for piece in pieces for event in reading.feed(piece)] + list(reading.end())


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def plainly(body: bytes) -> list[Event]:
    """What the standard says, with the whole body at hand."""
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    events: list[Event] = []
    data: list[bytes] = []
    name = ""
    for line in lines:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if data:
                events.append(Event(b"\n".join(data), name))
            data, name = [], ""
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return events


@given(BYTES, st.lists(st.integers(0, 10**6), max_size=12))
def test_bytes_cut_anywhere_are_the_same_events(body: bytes, places: list[int]) -> None:
    """However a body arrives, its events are those that the standard finds in the whole of it."""
    assert read(cut(body, places)) == plainly(body)


@given(BYTES)
def test_byte_by_byte_is_the_same_too(body: bytes) -> None:
    """A body that comes one byte at a time, with nothing in between, holds the same events."""
    singly = [piece for byte in body for piece in (bytes([byte]), b"")]
    assert read(singly) == plainly(body)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_stream_cut_in_two_at_every_byte(end: bytes) -> None:
    """At each of its bytes a stream can be cut in two, with each kind of line end."""
    body = end.join(
        [b"\xef\xbb\xbf: hello", b"event: message", b"data: one", b"data:two", b"", b"data", b"", b"id: 7", b"",
         "data: \u2028\u2029\u0085".encode(), b"", b""]
    )  # fmt: skip
    expected = [Event(b"one\ntwo", "message"), Event(b""), Event("\u2028\u2029\u0085".encode())]
    assert read([body]) == expected
    for place in range(len(body) + 1):
        assert read([body[:place], body[place:]]) == expected


@pytest.mark.parametrize(
    ("line", "data"),
    [(b"data:x", b"x"), (b"data: x", b"x"), (b"data:  x", b" x"), (b"data:\tx", b"\tx"), (b"data: x ", b"x ")],
)
def test_one_blank_belongs_to_the_colon(line: bytes, data: bytes) -> None:
    """Of the white space around a value only a first blank is left out: pieces of text may begin and end with more."""
    assert read([line + b"\n\n"]) == [Event(data)]


def test_an_event_that_the_end_cuts_off_is_dropped() -> None:
    """Only an empty line makes an event; at the body's end a lone carriage return is one."""
    assert read([b"data: a\n"]) == []
    assert read([b"data: a\n\n"]) == [Event(b"a")]
    assert read([b"data: a\n\r"]) == [Event(b"a")]
    assert read([b"data: a\r"]) == []
    assert read([b"data: a\r\r"]) == [Event(b"a")]


def test_a_mark_inside_a_stream_is_no_mark() -> None:
    """Only the first three bytes of a body may be a byte-order mark; later ones spoil a field's name."""
    mark = b"\xef\xbb\xbf"
    assert read([mark + b"data: a\n\n" + mark + b"data: b\n\n"]) == [Event(b"a")]


def test_an_event_is_handed_on_as_soon_as_it_is_whole() -> None:
    """The event comes with the byte that completes it, not with the next piece."""
    reading = ServerSentEvents()
    assert reading.feed(b"data: a\n") == []
    assert reading.feed(b"\n") == [Event(b"a")]
    assert reading.feed(b"data: b\r\n\r\ndata: c") == [Event(b"b")]


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text("abc_", max_size=5)), max_size=5))
def test_what_is_written_is_read(said: list[tuple[str, str]]) -> None:
    """Events of JSON are read back as they were written."""
    events = [Event(msgspec.json.encode(text), name) for text, name in said]
    assert read([written(event) for event in events]) == events


def pieces_without_end(kind: str) -> Iterable[bytes]:
    piece = {
        "one line": b"x" * 65536,
        "many lines of data": b"data: " + b"x" * 65536 + b"\n",
        "many short lines of data": b"data: x\n" * 8192,
        "many lines, each cut": b"x" * 32768 + b"\ndata: " + b"x" * 32768,
        "a carriage return at a time": b"data: " + b"x" * 65536 + b"\r",
    }[kind]
    yield b"data: "
    for _ in range(3 * LONGEST_EVENT // len(piece)):
        yield piece


@pytest.mark.parametrize(
    "kind",
    [
        "one line",
        "many lines of data",
        "many short lines of data",
        "many lines, each cut",
        "a carriage return at a time",
    ],
)
def test_an_event_without_end_is_unreadable(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that never ends an event cannot fill the memory, however it goes about it."""
    monkeypatch.setattr(sse, "LONGEST_EVENT", 1024 * 1024)
    reading = ServerSentEvents()
    with pytest.raises(InferenceError, match="longer than") as caught:
        for piece in pieces_without_end(kind):
            reading.feed(piece)
    assert caught.value.kind is Kind.UNREADABLE


def test_many_events_are_not_one_long_event() -> None:
    """A long stream of short events, and comments between them, are all read."""
    piece = b"data: " + b"x" * 1000 + b"\n\n: still here\n\n"
    assert len(read([piece] * 20_000)) == 20_000


@given(st.lists(st.text()))
def test_events_written_together_are_those_written_one_by_one(texts: list[str]) -> None:
    """Whatever the texts hold: line ends, quotes, the place they are put in."""
    one_by_one = b"".join(sse.json_event({"a": [{"b": text}], "c": 1}, "name") for text in texts)
    assert sse.repeated(sse.around({"a": [{"b": sse.SLOT}], "c": 1}, "name"), texts) == one_by_one
