"""Amazon's event stream: framed binary messages to events.

A message is, big-endian: its length, the length of its headers, a checksum of these two; headers; payload; a checksum
of all before. https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event, unreadable
from inferpoint.protocols.framing import Framing

LONGEST_HEADERS = 128 * 1024
LONGEST_PAYLOAD = 24 * 1024 * 1024
EXCEPTION = "exception/"

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_AROUND = _PRELUDE.size + _CHECKSUM.size
_BYTES, _STRING = 6, 7
# Two booleans without a body, integers of 1, 2, 4 and 8 bytes, a time, an id.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class AmazonEventStream(Framing):
    """Reads `application/vnd.amazon.eventstream`, however its bytes arrive.

    An event has the name of its type; an exception has that name behind `EXCEPTION`, and so has an error that the
    service does not declare, with its message as `{"message": ...}`. Damage is `UNREADABLE`, an end inside a message
    `CUT_OFF`; messages that came whole before the damage are handed on first.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._fault: InferenceError | None = None

    @override
    def feed(self, data: bytes) -> Sequence[Event]:
        self._raise()
        self._rest += data
        events: list[Event] = []
        start = 0
        try:
            while (length := self._length(start)) <= len(self._rest) - start:
                events.append(_event(bytes(self._rest[start : start + length])))
                start += length
        except InferenceError as error:
            self._fault = error
        del self._rest[:start]
        if not events:
            self._raise()
        return events

    @override
    def end(self) -> Sequence[Event]:
        self._raise()
        if self._rest:
            raise InferenceError(Kind.CUT_OFF, "The event stream ended inside a message")
        return ()

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _length(self, start: int) -> int:
        """How long the message at *start* is; one more than there is while its prelude is not all there."""
        if len(self._rest) - start < _PRELUDE.size:
            return len(self._rest) - start + 1
        length, headers, checksum = _PRELUDE.unpack_from(self._rest, start)
        if zlib.crc32(self._rest[start : start + 8]) != checksum:
            raise _damaged("the checksum of a message's prelude does not match")
        if headers > LONGEST_HEADERS or not 0 <= length - headers - _AROUND <= LONGEST_PAYLOAD:
            raise _damaged(f"a message of [{length}] bytes with [{headers}] bytes of headers is not possible")
        return length


def _event(message: bytes) -> Event:
    (checksum,) = _CHECKSUM.unpack_from(message, len(message) - 4)
    if zlib.crc32(memoryview(message)[:-4]) != checksum:
        raise _damaged("the checksum of a message does not match")
    _, length, _ = _PRELUDE.unpack_from(message)
    payload = _PRELUDE.size + length
    try:
        headers = _headers(message[_PRELUDE.size : payload])
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise _damaged("the headers of a message are not headers") from None
    match headers.get(":message-type"):
        case "exception":
            return Event(message[payload:-4], EXCEPTION + headers.get(":exception-type", ""))
        case "error":
            told = msgspec.json.encode({"message": headers.get(":error-message", "")})
            return Event(told, EXCEPTION + headers.get(":error-code", ""))
        case _:
            return Event(message[payload:-4], headers.get(":event-type", ""))


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are strings; those of other types say nothing about an event, and are passed over."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(data):
        value = at + 1 + data[at]
        name, kind = data[at + 1 : value].decode(), data[value]
        value += 1
        if kind in (_BYTES, _STRING):
            (length,) = _LENGTH.unpack_from(data, value)
            value += _LENGTH.size
        else:
            length = _FIXED[kind]
        at = value + length
        if at > len(data):
            raise IndexError(name)
        if kind == _STRING:
            headers[name] = data[value:at].decode()
    return headers


def _damaged(reason: str) -> InferenceError:
    return unreadable("event stream", reason)
