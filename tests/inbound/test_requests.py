"""Bytes that are requests, however they come, and bytes that are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from clock import settle
from echoing import Echo, echo, server
from in_process import Caller, Told

HOST = b"Host: localhost\r\n"
BODY = b'{"input": "\xc3\xbc"}'
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"


def answers(data: bytes) -> list[Told]:
    """The answers in what came back, each of which told its length or is in chunks."""
    found: list[Told] = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        if b"100 Continue" in head:
            data = rest
            continue
        length = Told(head + b"\r\n\r\n").headers.get("content-length")
        size = int(length) if length else rest.find(b"0\r\n\r\n") + 5
        found.append(Told(head + b"\r\n\r\n" + rest[:size]))
        data = rest[size:]
    return found


def said(*pieces: bytes) -> tuple[Caller, Echo]:
    """A caller who sent *pieces*, each once the server had done all it could with the one before."""
    echoing = Echo()

    async def main() -> Caller:
        caller = Caller(server(echoing))
        for piece in pieces:
            if not caller.closed:
                caller.say(piece)
            await settle()
        await caller.answered()
        await settle()
        return caller

    return asyncio.run(main()), echoing


CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n\r\n4;a=b\r\n" + BODY[:4] + b"\r\n%x\r\n" % (len(BODY) - 4)
REQUESTS = {
    "without a body": b"GET /a?b=c HTTP/1.1\r\n" + HOST + b"\r\n",
    "with a length": b"POST /a?b=c HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "in chunks": b"POST /a?b=c HTTP/1.1\r\n" + CHUNKED + BODY[4:] + b"\r\n0\r\n\r\n",
    "with trailers": b"POST /a?b=c HTTP/1.1\r\n" + CHUNKED + BODY[4:] + b"\r\n0\r\nHost: x\r\nX-A: b\r\n\r\n",
    "absolute": b"GET http://localhost/a?b=c#d HTTP/1.1\r\n" + HOST + b"\r\n",
    "to be upgraded": b"GET /a?b=c HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "to be upgraded, with a body": (
        b"POST /a?b=c HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"
    )
    % len(BODY)
    + BODY,
    "old": b"GET /a?b=c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "after an empty line": b"\r\n\r\nGET /a?b=c HTTP/1.1\r\n" + HOST + b"\r\n",
    "waiting": (
        b"POST /a?b=c HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    ),
}


@pytest.mark.parametrize("path", [b"/a", b"/pieces", b"/a\r\n"], ids=["whole", "pieces", "one by one"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_the_same_wherever_it_is_cut(name: str, path: bytes) -> None:
    """A request cut in two at every byte, and sent byte by byte, has its one answer, and the next has its own."""
    by_byte = path.endswith(b"\n")
    path = path.strip()
    if name == "old" and path == b"/pieces":
        pytest.skip("HTTP/1.0 has no pieces: the connection ends with the answer")
    data = REQUESTS[name].replace(b"/a?", path + b"?")
    method, body = ("POST", BODY) if b"POST" in data else ("GET", b"")
    both = data + HIDDEN
    cuts = [[both[place : place + 1] for place in range(len(both))]] if by_byte else [
        [both[:place], both[place:]] for place in range(1, len(both))
    ]  # fmt: skip
    for pieces in cuts:
        caller, echoing = said(*pieces)
        first, second = answers(caller.told)
        assert first.body == echo(method, path.decode(), "b=c", body), pieces
        assert second.body == echo("GET", "/hidden", "", b"")
        assert (caller.closed, echoing.refusals) == (False, [])


@pytest.mark.parametrize("padding", [0, 5000], ids=["remembered", "too large to be"])
@pytest.mark.parametrize("header", [b"Content-Length: ", b"content-length:", b"CONTENT-LENGTH: "])
def test_requests_that_are_written_alike_have_their_own_bodies(header: bytes, padding: int) -> None:
    """A head that was read before says nothing of the length of this request's body."""
    more = b"A: " + b"a" * padding + b"\r\n"
    bodies = [b"a" * size for size in (0, 1, 10, 300, 0, 10)]
    sent = [b"POST /a HTTP/1.1\r\n" + HOST + more + header + b"%d\r\n\r\n" % len(body) + body for body in bodies]
    for pieces in (sent, [b"".join(sent)]):
        caller, _ = said(*pieces)
        assert [told.body for told in answers(caller.told)] == [echo("POST", "/a", "", body) for body in bodies]


def post(*headers: bytes, end: bytes = b"") -> bytes:
    return b"POST /a HTTP/1.1\r\n" + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + end + HIDDEN


H = HOST.strip()
CHUNKS = b"Transfer-Encoding: chunked"
REFUSED = {
    "two hosts": post(H, b"Host: other"),
    "no host": post(b"A: b"),
    "a length and chunks": post(H, b"Content-Length: 3", CHUNKS, end=b"0\r\n\r\n"),
    "chunks and a length": post(H, CHUNKS, b"Content-Length: 3", end=b"0\r\n\r\n"),
    "two lengths": post(H, b"Content-Length: 3", b"Content-Length: 4", end=b"abc"),
    "a length twice": post(H, b"Content-Length: 3", b"Content-Length: 3", end=b"abc"),
    "two lengths in one": post(H, b"Content-Length: 3, 3", end=b"abc"),
    "a length with a sign": post(H, b"Content-Length: +3", end=b"abc"),
    "a length below zero": post(H, b"Content-Length: -3", end=b"abc"),
    "a length too long": post(H, b"Content-Length: 99999999999999999999999", end=b"abc"),
    "a length in hexadecimal": post(H, b"Content-Length: 0x3", end=b"abc"),
    "a length without a number": post(H, b"Content-Length: ", end=b"abc"),
    "chunks twice": post(H, CHUNKS, CHUNKS, end=b"0\r\n\r\n"),
    "chunks and more": post(H, b"Transfer-Encoding: chunked, identity", end=b"0\r\n\r\n"),
    "chunks of gzip": post(H, b"Transfer-Encoding: gzip, chunked", end=b"0\r\n\r\n"),
    "identity": post(H, b"Transfer-Encoding: identity"),
    "nearly chunks": post(H, b"Transfer-Encoding: xchunked", end=b"0\r\n\r\n"),
    "chunks with a tab": post(H, b"Transfer-Encoding: \x0bchunked", end=b"0\r\n\r\n"),
    "old chunks": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": post(H, b"Content-Length : 3", end=b"abc"),
    "a space before the name": post(H, b" Content-Length: 3", end=b"abc"),
    "a folded header": post(H, b"A: b\r\n c"),
    "a folded header with a tab": post(H, b"A: b\r\n\tTransfer-Encoding: chunked"),
    "a bare line feed": post(H, b"A: b\nTransfer-Encoding: chunked"),
    "a bare carriage return": post(H, b"A: b\rTransfer-Encoding: chunked"),
    "a NUL": post(H, b"A: b\0c"),
    "a NUL in a name": post(H, b"A\0: b"),
    "a name of other letters": post(H, b"\xc3\xbc: b"),
    "a name that is none": post(H, b": b"),
    "a header without a colon": post(H, b"A"),
    "bare line feeds": b"GET /a HTTP/1.1\nHost: localhost\n\n" + HIDDEN,
    "a URL with a space": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "a URL of other letters": b"GET /\xc3\xbc HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "a URL with a NUL": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "another host's port": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "no method": b"/a HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "a method that is none": b"BREW /a HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_two_servers_may_read_differently_is_refused(name: str) -> None:
    """One 400 in JSON, the connection ends, and what was hidden behind is no request."""
    caller, echoing = said(REFUSED[name])
    (told,) = answers(caller.told)
    assert (told.status, told.headers["connection"], caller.closed) == (400, "close", True)
    assert told.json["client"] == "10.0.0.1"
    assert (echoing.answered, len(echoing.refusals)) == (0, 1)


BROKEN_CHUNKS = {
    "a size that is none": b"z\r\nabc\r\n0\r\n\r\n",
    "a size below zero": b"-1\r\nabc\r\n0\r\n\r\n",
    "a size with a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size that overflows": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "more than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "no end of its own": b"3\r\nabc0\r\n\r\n",
    "bare line feeds": b"3\nabc\n0\n\n",
    "an extension with a line feed": b'3;a="\n"\r\nabc\r\n0\r\n\r\n',
    "an endless extension": b"3;" + b"a" * 70_000,
    "endless trailers": b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 12_000,
}


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
@pytest.mark.parametrize("path", ["/a", "/unread"])
def test_chunks_that_are_none_end_the_connection(name: str, path: str) -> None:
    """Whoever reads the body is told; whether anybody does or not, what follows is no request."""
    head = f"POST {path} HTTP/1.1\r\n".encode() + HOST + CHUNKS + b"\r\n\r\n"
    caller, _ = said(head, BROKEN_CHUNKS[name] + HIDDEN)
    assert b"hidden" not in caller.told
    assert caller.closed


def test_versions_that_are_not_spoken_are_told() -> None:
    """HTTP/2 without its beginning, and what is older than 1.0."""
    for version in (b"2.0", b"0.9"):
        caller, _ = said(b"GET / HTTP/%b\r\n" % version + HOST + b"\r\n")
        assert (answers(caller.told)[0].status, caller.closed) == (505, True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /%b HTTP/1.1\r\n" % (b"a" * 17_000) + HOST + b"\r\n", 414),
        (b"GET /" + b"a" * 17_000, 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: %b\r\n\r\n" % (b"a" * 66_000), 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: %b" % (b"a" * 66_000), 431),
    ],
)
@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_head_is_bounded(data: bytes, status: int, size: int) -> None:
    """A URL, headers and a head that are too long are refused as soon as they are, whole or not."""
    caller, echoing = said(*(data[place : place + size] for place in range(0, len(data), size)))
    assert [told.status for told in answers(caller.told)] == [status]
    assert (caller.closed, echoing.answered) == (True, 0)


def test_a_head_of_the_limits_is_taken() -> None:
    """A hundred headers and a URL of 16 kB are answered."""
    head = b"GET /%b HTTP/1.1\r\n" % (b"a" * 16_000) + HOST + b"A: b\r\n" * 99 + b"\r\n"
    caller, _ = said(head)
    assert [told.status for told in answers(caller.told)] == [200]


def bare(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\n" % number + HOST + b"\r\n"


def chunked(number: int) -> bytes:
    return b"POST /%d HTTP/1.1\r\n" % number + CHUNKED + BODY[4:] + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("make", [bare, chunked])
def test_many_at_once_are_answered_in_order(make: Callable[[int], bytes]) -> None:
    """Whatever follows a request waits as bytes, nothing more is read meanwhile, and each has its own answer."""
    caller, _ = said(b"".join(make(number) for number in range(100)))

    assert [told.json["path"] for told in answers(caller.told)] == [f"/{number}" for number in range(100)]
    assert (caller.reads, caller.closed) == (True, False)


def test_no_more_is_read_while_a_request_waits() -> None:
    """One request in work and bytes of another are all that a connection holds."""

    async def main() -> None:
        caller = Caller(server(Echo()))
        caller.say(b"GET /never HTTP/1.1\r\n" + HOST + b"\r\n")
        assert caller.reads
        caller.say(HIDDEN)
        assert not caller.reads
        await settle()
        caller.leave()
        await caller.answered()
        assert caller.told == b""

    asyncio.run(main())


def test_head_has_no_body() -> None:
    """The length is that of the body that GET has; of an answer in pieces there is none."""
    caller, _ = said(b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n")
    told = Told(caller.told)
    assert (int(told.headers["content-length"]), told.body) == (len(echo("HEAD", "/a", "", b"")), b"")
    caller, _ = said(b"HEAD /pieces HTTP/1.1\r\n" + HOST + b"\r\n")
    assert caller.told.endswith(b"transfer-encoding: chunked\r\n\r\n")


def test_an_old_client_has_no_chunks() -> None:
    """An answer in pieces to HTTP/1.0 ends with the connection."""
    caller, _ = said(b"GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert caller.told.endswith(b"\r\n\r\n" + echo("GET", "/pieces", "", b""))
    assert (b"connection: close" in caller.told, caller.closed) == (True, True)


def test_a_client_that_waits_is_asked_for_its_body() -> None:
    """`100 Continue` is said when the body is wanted, and not for one that has begun or that nobody reads."""
    head = b"POST %b HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert said(head % b"/a", b"ab")[0].told.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert said(head % b"/a" + b"a", b"b")[0].told.startswith(b"HTTP/1.1 200 OK\r\n")
    unread = said(head % b"/unread")[0]
    assert unread.told.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"connection: close" in unread.told, unread.closed) == (True, True)


def test_a_head_and_a_body_are_one_write() -> None:
    """An answer is not sent in more packets than it has."""
    writes: list[bytes] = []

    async def main() -> None:
        caller = Caller(server(Echo()), lambda caller: writes.append(caller.told))
        caller.say(HIDDEN)
        await caller.answered()

    asyncio.run(main())
    assert len(writes) == 1
    told = Told(writes[0])
    assert (told.headers["x-product"], told.headers["date"][-3:]) == ("p", "GMT")
