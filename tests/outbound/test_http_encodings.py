"""Compressed replies, which are sent by servers that were not asked to: undone within bounds, or refused by name."""

from __future__ import annotations

import gzip
import zlib
from contextlib import aclosing

import pytest
from raw_calls import both, provided, sent
from raw_provider import Line

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.http import decoding

BODY = bytes(range(256)) * 500


def raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


GOOD = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY[:1000]) + gzip.compress(BODY[1000:]),
    "deflate": zlib.compress(BODY),
    "Deflate": raw(BODY),
    "Identity": BODY,
}
BROKEN = {
    "short": ("gzip", GOOD["gzip"][:-9], Kind.CUT_OFF, "its compressed body ended early"),
    "not compressed": ("gzip", BODY, Kind.UNREADABLE, "is not compressed as it says"),
    "wrong sum": ("gzip", GOOD["gzip"][:-8] + b"12345678", Kind.UNREADABLE, "is not compressed as it says"),
    "more": ("gzip", GOOD["gzip"] + b"more", Kind.UNREADABLE, "goes on after its compressed body"),
    "more of deflate": ("deflate", GOOD["deflate"] * 2, Kind.UNREADABLE, "goes on after its compressed body"),
    "bomb": ("gzip", gzip.compress(bytes(20_000_000)), Kind.UNREADABLE, "more than 100 times as large as it was sent"),
    "brotli": ("br", BODY, Kind.UNREADABLE, r"is compressed by \[br\]"),
    "two": ("gzip, br", BODY, Kind.UNREADABLE, r"is compressed by \[gzip, br\]"),
}


def encoded(encoding: str, body: bytes, status: int = 200) -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("encoding", GOOD)
@pytest.mark.parametrize("step", [1000, 2**20])
def test_a_compressed_reply_is_read(encoding: str, step: int) -> None:
    """A reply is what its provider compressed, read whole or in pieces, however it is cut; its connection is kept."""
    reply = encoded(encoding, GOOD[encoding])

    async def act(line: Line) -> None:
        while await line.request():
            await line.say(*(reply[place : place + step] for place in range(0, len(reply), step)))

    async def main() -> None:
        async with provided(act) as (provider, transport):
            whole = await sent(transport, Call(provider.url))
            assert whole.body == BODY
            assert "content-encoding" not in whole.headers
            arriving = await transport.send(Call(provider.url))
            async with aclosing(arriving.pieces()) as pieces:
                assert b"".join([piece async for piece in pieces]) == BODY
            arriving.close()
            assert len(provider.lines) == 1

    both(main)


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("whole", [True, False])
def test_what_cannot_be_undone_is_told(name: str, whole: bool) -> None:
    """A reply that is not what it says, would grow without bounds, or is compressed in another way is an error."""
    encoding, body, kind, words = BROKEN[name]

    async def act(line: Line) -> None:
        await line.request()
        await line.say(encoded(encoding, body))
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            with pytest.raises(InferenceError, match=words) as caught:
                if whole:
                    await sent(transport, Call(provider.url))
                else:
                    arriving = await transport.send(Call(provider.url))
                    try:
                        async with aclosing(arriving.pieces()) as pieces:
                            assert max([len(piece) async for piece in pieces]) <= decoding._PIECE
                    finally:
                        arriving.close()
            assert caught.value.kind is kind
            await transport.close()

    both(main)


def test_every_byte_may_come_alone() -> None:
    """A compressed body that is split anywhere is undone to the same bytes, and cut off anywhere it is not whole."""
    for encoding, window in (("gzip", 31), ("deflate", 15)):
        compressor = zlib.compressobj(wbits=window)
        data = compressor.compress(b"hello, hello, hello") + compressor.flush()
        for place in range(1, len(data)):
            decoder = decoding.Decoder(encoding)
            parts = [*decoder.feed(data[:place])]
            with pytest.raises(InferenceError, match="ended early"):
                decoder.end()
            parts += decoder.feed(data[place:])
            decoder.end()
            assert b"".join(parts) == b"hello, hello, hello"


def test_no_body_is_not_compressed() -> None:
    """An empty body has nothing to undo, whatever its head says."""
    decoder = decoding.Decoder("gzip")
    assert list(decoder.feed(b"")) == []
    decoder.end()
