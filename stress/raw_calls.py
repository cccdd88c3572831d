"""Calls by the HTTP client to a raw provider, on both event loops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from raw_provider import Line, RawProvider

from inferpoint.model.http import Call, Reply
from inferpoint.outbound.http.transport import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def provided(
    act: Callable[[Line], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncGenerator[tuple[RawProvider, HttpTransport]]:
    """A provider and a client, of which nothing is open afterwards."""
    transport = HttpTransport("0")
    async with RawProvider(act, tls) as provider:
        try:
            yield provider, transport
        finally:
            await transport.close()
        await eventually(lambda: provider.open == 0)


def both(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* on the event loop of the server, and on that of the library."""
    uvloop.run(main())
    asyncio.run(main())


async def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - it is asked of a provider
            await asyncio.sleep(0.005)


async def sent(transport: HttpTransport, call: Call) -> Reply:
    """The whole reply to a call."""
    arriving = await transport.send(call)
    try:
        return await arriving.read()
    finally:
        arriving.close()
