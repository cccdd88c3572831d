"""Amazon's event stream, with botocore's reader as the judge."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer, ParserError
from frames import EVERY_TYPE, GOLDEN, error, event, exception, frame, text
from hypothesis import given, settings
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event
from inferpoint.protocols.eventstream import EXCEPTION, LONGEST_HEADERS, LONGEST_PAYLOAD, AmazonEventStream

STREAM = [
    GOLDEN,
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "naïve 👋"}, "p": "abcdefghijk"}),
    frame({**EVERY_TYPE, ":message-type": "event", ":event-type": "unheard-of"}, b""),
    event("messageStop", {"stopReason": "end_turn"}),
    exception("throttlingException", "Too many requests"),
    error("InternalFailure", "Something \u2028 broke"),
]


def read(pieces: Iterable[bytes]) -> list[Event]:
    stream = AmazonEventStream()
    return [event for piece in pieces for event in stream.feed(piece)] + list(stream.end())


def until_fault(pieces: Iterable[bytes]) -> tuple[list[Event], InferenceError | None]:
    """The events that are handed on, and what is wrong after them."""
    stream = AmazonEventStream()
    found: list[Event] = []
    try:
        for piece in pieces:
            found += stream.feed(piece)
        found += stream.end()
    except InferenceError as fault:
        return found, fault
    return found, None


def judged(body: bytes) -> list[Event]:
    """What botocore reads."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    found: list[Event] = []
    for message in buffer:
        headers = message.headers
        match headers.get(":message-type"):
            case "exception":
                found.append(Event(message.payload, EXCEPTION + headers[":exception-type"]))
            case "error":
                said = json.dumps({"message": headers[":error-message"]}, ensure_ascii=False, separators=(",", ":"))
                found.append(Event(said.encode(), EXCEPTION + headers[":error-code"]))
            case _:
                found.append(Event(message.payload, headers.get(":event-type", "")))
    return found


def test_the_golden_frame() -> None:
    """Made by AWS's own encoder."""
    assert read([GOLDEN]) == [Event(b'{"role":"assistant"}', "messageStart")] == judged(GOLDEN)


def test_the_writer_of_the_tests_writes_the_golden_frame() -> None:
    """So that frames made by it mean something."""
    headers = {":message-type": "event", ":event-type": "messageStart", ":content-type": "application/json"}
    assert frame(headers, b'{"role":"assistant"}') == GOLDEN


def test_names_say_what_failed() -> None:
    """Events by their type; errors, declared or not, by theirs behind a prefix, with the message in the data."""
    assert [each.name for each in read([b"".join(STREAM)])] == [
        "messageStart",
        "contentBlockDelta",
        "unheard-of",
        "messageStop",
        "exception/throttlingException",
        "exception/InternalFailure",
    ]
    *_, declared, undeclared = read(STREAM)
    assert json.loads(declared.data) == {"message": "Too many requests"}
    assert json.loads(undeclared.data) == {"message": "Something \u2028 broke"}


def test_a_stream_cut_at_every_byte_is_the_same_stream() -> None:
    """Frames have nothing to do with the pieces in which a body arrives."""
    body = b"".join(STREAM)
    whole = judged(body)
    assert len(whole) == len(STREAM)
    for place in range(len(body) + 1):
        assert read([body[:place], body[place:]]) == whole
    assert read(body[place : place + 1] for place in range(len(body))) == whole


HEADERS = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=12).map(lambda name: f"x{name}"),
    st.sampled_from(sorted(EVERY_TYPE.values())) | st.text(max_size=20).map(text),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(HEADERS, st.sampled_from(["metadata", "messageStop", ""]), st.binary(max_size=300)), max_size=6),
    st.lists(st.integers(0, 5000), max_size=12),
)
def test_every_stream_is_read_as_botocore_reads_it(
    messages: list[tuple[dict[str, bytes], str, bytes]], places: list[int]
) -> None:
    """Headers of every type in any order, payloads of any bytes, however they arrive."""
    frames = [
        frame({**headers, ":event-type": name, ":message-type": "event"}, payload)
        for headers, name, payload in messages
    ]
    body = b"".join(frames)
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    assert read(body[start:end] for start, end in pairwise(edges)) == judged(body)


@pytest.mark.parametrize("whole", [False, True], ids=["byte by byte", "at once"])
def test_a_flipped_bit_is_an_error_and_never_an_event(*, whole: bool) -> None:
    """What came whole before the damage is handed on; of the damaged message nothing, and of what follows nothing."""
    first, damaged, last = GOLDEN, STREAM[1], STREAM[3]
    (before,) = judged(first)
    for bit in range(len(damaged) * 8):
        broken = bytearray(damaged)
        broken[bit // 8] ^= 1 << bit % 8
        body = first + bytes(broken) + last
        pieces = [body] if whole else [body[place : place + 1] for place in range(len(body))]
        events, fault = until_fault(pieces)
        assert events == [before]
        assert fault is not None
        assert fault.kind is Kind.UNREADABLE
        with pytest.raises(ChecksumMismatch):
            judged(body)


def test_a_stream_that_ends_inside_a_message_is_cut_off() -> None:
    """Wherever it ends; what came whole before is handed on."""
    for length in range(1, len(STREAM[1])):
        events, fault = until_fault([GOLDEN + STREAM[1][:length]])
        assert [each.name for each in events] == ["messageStart"]
        assert fault is not None
        assert fault.kind is Kind.CUT_OFF


def test_damage_stays() -> None:
    """Whoever goes on after a fault gets the fault again."""
    stream = AmazonEventStream()
    for _ in range(3):
        with pytest.raises(InferenceError, match="checksum of a message's prelude"):
            stream.feed(b"not an event stream at all")
    with pytest.raises(InferenceError, match="checksum of a message's prelude"):
        stream.end()


def prelude(length: int, headers: int) -> bytes:
    first = struct.pack(">II", length, headers)
    return first + struct.pack(">I", zlib.crc32(first))


@pytest.mark.parametrize(
    ("length", "headers"),
    [
        (16 + LONGEST_HEADERS + 1, LONGEST_HEADERS + 1),
        (16 + LONGEST_PAYLOAD + 1, 0),
        (0xFFFFFFFF, 0),
        (15, 0),
        (16, 1),
        (0, 0),
    ],
)
def test_sizes_that_cannot_be_are_refused_before_they_are_waited_for(length: int, headers: int) -> None:
    """Nothing is kept for a message that will never be taken."""
    with pytest.raises(InferenceError, match="is not possible") as refused:
        AmazonEventStream().feed(prelude(length, headers))
    assert refused.value.kind is Kind.UNREADABLE


def test_the_largest_message_is_read() -> None:
    """24 MiB, as botocore takes it."""
    body = frame({":message-type": "event", ":event-type": "e"}, bytes(LONGEST_PAYLOAD))
    (found,) = read([body])
    assert (found.name, len(found.data)) == ("e", LONGEST_PAYLOAD)


@pytest.mark.parametrize(
    "headers",
    [
        b"\x04name\x0a",  # no such type
        b"\x04name\x07\x00\x09short",  # text longer than the headers
        b"\x04name\x06\xff\xff",  # bytes likewise
        b"\x04name\x05\x00",  # a number likewise
        b"\x04name",  # no type
        b"\xffname\x00",  # a name longer than the headers
        b"\x04name\x07\x00",  # half a length
        b"\x01\xff\x00",  # a name that is not UTF-8
        b"\x04name\x07\x00\x01\xff",  # text that is not
    ],
)
def test_headers_that_are_none_are_unreadable(headers: bytes) -> None:
    """Even with the right checksums."""
    first = prelude(16 + len(headers), len(headers)) + headers
    with pytest.raises(InferenceError, match="headers of a message") as refused:
        AmazonEventStream().feed(first + struct.pack(">I", zlib.crc32(first)))
    assert refused.value.kind is Kind.UNREADABLE


def test_a_large_message_in_small_pieces_takes_time_in_proportion() -> None:
    """A message is not gone through again for each piece: eight times as much does not take 64 times as long."""

    def seconds(size: int) -> float:
        body = frame({":message-type": "event", ":event-type": "e"}, bytes(size))
        began = time.process_time()
        assert len(read(body[place : place + 64] for place in range(0, len(body), 64))) == 1
        return time.process_time() - began

    small = min(seconds(256 * 1024) for _ in range(3))
    assert seconds(2 * 1024 * 1024) < 40 * small


def test_botocore_refuses_what_we_refuse() -> None:
    """The limits are the judge's own."""
    for length, headers in ((16 + LONGEST_HEADERS + 1, LONGEST_HEADERS + 1), (16 + LONGEST_PAYLOAD + 1, 0)):
        with pytest.raises(ParserError):
            judged(prelude(length, headers))
