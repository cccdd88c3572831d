"""Server-sent events: bytes to events and back, by the HTML standard's section on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event
from inferpoint.protocols.framing import Framing

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_EVENT = 16 * 1024 * 1024
SLOT = "\0slot"
Around = tuple[bytes, bytes]
_encoder = msgspec.json.Encoder()


class ServerSentEvents(Framing):
    """Reads `text/event-stream`, however its bytes arrive.

    An event that the body's end cuts off is dropped, as the standard says. One longer than 16 MiB is `UNREADABLE`.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._length = 0
        self._begun = False

    @override
    def feed(self, data: bytes) -> Sequence[Event]:
        within = self._rest or self._data or self._name
        if not within and data[-2:] == b"\n\n" and (simple := _simple(data, len(data))) is not None:
            self._begun = True
            return simple  # as nearly always: whole events in one piece
        if len(self._rest) + self._length > LONGEST_EVENT:
            raise InferenceError(Kind.UNREADABLE, f"An event of the stream is longer than {LONGEST_EVENT} bytes")
        self._rest += data
        if not self._begun and not self._begin():
            return ()
        if b"\n" not in data and b"\r" not in data and not self._rest.startswith(b"\r", -len(data) - 1):
            return ()  # an event that comes in many pieces is scanned once, not once a piece
        text, held = bytes(self._rest), b""
        end = text.rfind(b"\n\n") + 2
        if end > 1 and not (self._data or self._name) and (simple := _simple(text, end)) is not None:
            self._rest = bytearray(text[end:])
            return simple
        if text.endswith(b"\r"):  # perhaps half of \r\n
            text, held = text[:-1], b"\r"
        lines = text.splitlines()  # of bytes: at the standard's line ends and no others, as U+2028 and U+0085 are data
        rest = lines.pop() if lines and not text.endswith((b"\r", b"\n")) else b""
        self._rest = bytearray(rest + held)
        events: list[Event] = []
        for line in lines:
            if line:
                self._take(line)
            elif event := self._dispatched():
                events.append(event)
        return events

    @override
    def end(self) -> Sequence[Event]:
        held, self._rest = bytes(self._rest), bytearray()
        if not held.endswith(b"\r"):  # a lone carriage return was held back for its line feed
            return ()
        if held[:-1]:
            self._take(held[:-1])
            return ()
        event = self._dispatched()
        return () if event is None else (event,)

    def _begin(self) -> bool:
        """Pass over a byte-order mark; False while it may still be one."""
        if len(self._rest) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(bytes(self._rest)):
            return False
        if self._rest.startswith(_BYTE_ORDER_MARK):
            del self._rest[: len(_BYTE_ORDER_MARK)]
        self._begun = True
        return True

    def _take(self, line: bytes) -> None:
        if line[:6] == b"data: ":
            name, value = b"data", line[6:]
        else:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._length += len(line)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")

    def _dispatched(self) -> Event | None:
        """The event that an empty line ends, if it has data."""
        event = Event(b"\n".join(self._data), self._name) if self._data else None
        self._data, self._name, self._length = [], "", 0
        return event


def _simple(text: bytes, end: int) -> Sequence[Event] | None:
    """The events of *text* up to *end* where each is one line of data, as nearly always; None where one may not be."""
    if text[:6] != b"data: " or b"\r" in text:
        return None
    several = text[6 : end - 2].split(b"\n\ndata: ")
    if text.count(b"\n", 0, end) != 2 * len(several):
        return None
    return [Event(data) for data in several]


def written(event: Event) -> bytes:
    """*event* as bytes. Its data must be on one line, as JSON is: simple readers take a line for an event."""
    if not event.name:
        return b"data: %b\n\n" % event.data
    return b"event: %b\ndata: %b\n\n" % (event.name.encode(), event.data)


def json_event(value: Any, name: str = "") -> bytes:
    """The event called *name* whose data is *value* as JSON, as bytes."""
    return written(Event(_encoder.encode(value), name))


def around(value: Any, name: str = "") -> Around:
    """The bytes of many events, which differ only where *value* says `SLOT`: those before that place, and after it."""
    before, _, after = json_event(value, name).partition(_encoder.encode(SLOT))
    return before, after


def repeated(template: Around, values: Sequence[Any]) -> bytes:
    """One event of a *template* for each of the *values*, written together: none of them has a line end in JSON."""
    if not values:
        return b""
    before, after = template
    return before + _encoder.encode_lines(values)[:-1].replace(b"\n", after + before) + after
