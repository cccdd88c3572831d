"""The HTTP client against servers that others have written."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import pytest
from raw_calls import both, sent
from real_processes import Program, environ

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call
from inferpoint.outbound.http.transport import HttpTransport

HERE = Path(__file__).parent
PROGRAMS = {
    "node": ["node", str(HERE / "counterpart.mjs")],
    "uvicorn": [sys.executable, str(HERE / "counterpart.py")],
}
BODY = os.urandom(300_000)


@pytest.fixture(scope="module", params=PROGRAMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    program = Program(PROGRAMS[request.param], environ(tmp_path_factory.mktemp("counterpart")))
    try:
        yield program.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()
    finally:
        program.kill()


@pytest.mark.parametrize("path", ["/", "/chunked", "/hints", "/gzip", "/last"])
def test_every_kind_of_reply_is_read(server: str, path: str) -> None:
    """What comes back is what was sent, one call after another and at once, whole and in pieces."""

    async def main() -> None:
        transport = HttpTransport("0")

        async def echoed(body: bytes, *, whole: bool) -> None:
            call = Call(server + path, body, {"content-type": "text/plain"})
            if whole:
                assert (await sent(transport, call)).body == body
                return
            arriving = await transport.send(call)
            async with aclosing(arriving.pieces()) as pieces:
                assert b"".join([piece async for piece in pieces]) == body
            arriving.close()

        for size in (1, 1000, 300_000, 20):
            await echoed(BODY[:size], whole=True)
            await echoed(BODY[:size], whole=False)
        await asyncio.gather(*(echoed(BODY[number : number + 5000], whole=number % 2 == 0) for number in range(40)))
        await transport.close()

    both(main)


def test_a_body_that_ends_early_is_an_error(server: str) -> None:
    """A server that dies within a body has not answered; the next call is answered."""

    async def main() -> None:
        transport = HttpTransport("0")
        for _ in range(3):
            with pytest.raises(InferenceError, match="cut off"):
                await sent(transport, Call(f"{server}/dies", b"hello"))
            assert (await sent(transport, Call(f"{server}/", b"hello"))).body == b"hello"
        await transport.close()

    both(main)
