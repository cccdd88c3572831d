"""A reply byte by byte: split anywhere it is read, cut off anywhere it is an error, and what is odd is refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from inferpoint.outbound.http.connection import LARGEST_HEAD, Connection

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SHORT = b"Content-Length: 2\r\n\r\nok"
WHOLE = {
    "length": (OK + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello", b"hello", True),
    "chunks": (CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello", True),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX-A: c\r\nX-B: d\r\n\r\n", b"hello", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nX-A: z\r\n\r\n" + OK + SHORT, b"ok", True),
    "old": (b"HTTP/1.0 200 OK\r\n" + SHORT, b"ok", False),
    "last": (OK + b"Connection: close\r\n" + SHORT, b"ok", False),
    "no reason": (b"HTTP/1.1 200\r\n" + SHORT, b"ok", True),
}
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello"
MANY = b"".join(b"X-%d: y\r\n" % number for number in range(101))
LONG = b"y" * 3 * LARGEST_HEAD
ODD = {
    "both lengths": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "a huge length": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "no chunk": CHUNKED + b"zz\r\nhello",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "another coding last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nhello",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    "no status": b"HTTP/1.1 007 Bond\r\n" + SHORT,
    "a length among trailers": CHUNKED + b"0\r\nContent-Length: 9\r\n\r\n",
    "many interim replies": b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + OK + SHORT,
    "many headers": OK + MANY + SHORT,
    "a large header": OK + b"X-A: " + LONG + b"\r\n" + SHORT,
    "a large head": OK + b"".join(b"X-%d: %b\r\n" % (number, LONG[:1000]) for number in range(70)) + SHORT,
    "a head without end": OK + b"X-A: " + LONG,
    "trailers without end": CHUNKED + b"0\r\nX-A: " + LONG,
    "a chunk's words without end": CHUNKED + b"1;" + LONG,
    "another language": b"220 mail.example.com ESMTP\r\n",
    "a folded header": OK + b"X-A: b\r\n c\r\n" + SHORT,
    "bare line ends": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
}
AFTERWARDS = [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen", b"H", b"stolen", b"\x00"]


class Wire(asyncio.Transport):
    """The other side of a connection: its socket has nothing to say of its own."""

    def __init__(self, line: socket.socket) -> None:
        super().__init__({"socket": line})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


@contextmanager
def asking() -> Iterator[tuple[Connection, Wire]]:
    """A connection that was asked something."""
    ours, theirs = socket.socketpair()
    with ours, theirs, asyncio.Runner() as runner:

        async def made() -> Connection:
            return Connection((), lambda _: None)

        connection, wire = runner.run(made()), Wire(ours)
        connection.connection_made(wire)
        connection.ask(b"GET / HTTP/1.1\r\n\r\n", b"")
        yield connection, wire


def at_every_byte(reply: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((reply[:place], reply[place:]) for place in range(len(reply) + 1))


@pytest.mark.parametrize("name", WHOLE)
def test_a_reply_may_be_split_anywhere(name: str) -> None:
    """Two pieces, cut at any byte, and single bytes, are the reply; of interim replies and trailers nothing stays."""
    reply, body, again = WHOLE[name]
    for pieces in [*at_every_byte(reply), [reply[place : place + 1] for place in range(len(reply))]]:
        with asking() as (connection, _):
            for piece in filter(None, pieces):
                assert not connection.done
                connection.data_received(piece)
            assert connection.done
            assert connection.fault is None
            assert (connection.take(), connection.reusable) == (body, again)
            assert connection.headers.get("x-a") in (None, "b")


@pytest.mark.parametrize("name", WHOLE)
def test_a_reply_may_not_be_cut_off_anywhere(name: str) -> None:
    """A connection that ends before its reply does, at any byte, is a fault, and of no more use."""
    reply, _, _ = WHOLE[name]
    for begun, rest in at_every_byte(reply):
        if rest:
            with asking() as (connection, _):
                if begun:
                    connection.data_received(begun)
                connection.connection_lost(None)
                assert not connection.done
                assert connection.fault == "the connection was closed"
                assert not connection.reusable


def test_a_body_may_end_with_the_connection() -> None:
    """A reply that does not tell its length is whole when its provider leaves, and not when the connection fails."""
    for begun, rest in at_every_byte(UNTIL_CLOSED):
        for failure in (None, ConnectionResetError()):
            with asking() as (connection, _):
                for piece in filter(None, (begun, rest)):
                    connection.data_received(piece)
                connection.connection_lost(failure)
                assert connection.done == (failure is None)
                assert connection.take() == b"hello"
                assert not connection.reusable


def test_a_reply_that_was_given_up_is_not_whole() -> None:
    """A body that would end with the connection has not ended when we end it."""
    with asking() as (connection, _):
        connection.data_received(UNTIL_CLOSED)
        connection.close()
        connection.connection_lost(None)
        assert not connection.done


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("size", [1, 700, LARGEST_HEAD])
def test_what_is_no_reply_ends_the_connection(name: str, size: int) -> None:
    """Framing that two readers would read in two ways, a head without measure, or no HTTP: a fault, in any pieces."""
    with asking() as (connection, wire):
        for place in range(0, len(ODD[name]), size):
            if connection.fault is None:
                connection.data_received(ODD[name][place : place + size])
        assert connection.fault
        assert not connection.done
        assert wire.closed


@pytest.mark.parametrize("more", AFTERWARDS)
def test_what_nobody_asked_for_is_nobodys(more: bytes) -> None:
    """Bytes after a reply, with it or later, leave the reply as it is, and end the connection before another call."""
    for place in range(len(more)):
        with asking() as (connection, _):
            connection.data_received(WHOLE["length"][0] + more[: place + 1])
            assert (connection.done, connection.fault, connection.reusable) == (True, None, False)
            assert connection.take() == b"hello"
            assert connection.headers == {"content-length": "5", "x-a": "b"}
        with asking() as (connection, wire):
            connection.data_received(WHOLE["length"][0])
            assert connection.reusable
            connection.data_received(more)
            assert (connection.done, wire.closed, connection.reusable) == (True, True, False)
            assert connection.take() == b"hello"
