"""The only file that knows the HTTP client.

What it promises: nothing is followed, decompressed or sent again on its own; a percent-encoded path leaves as given;
the address check runs on the resolved address, before connecting; whoever stops waiting closes the connection.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import lru_cache
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override
from yarl import URL

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.http import Call, Reply
from inferpoint.outbound.egress import permitted

CONNECT_SECONDS = 5.0
LARGEST_REPLY = 100 * 1024 * 1024
_PIECE = 64 * 1024


class Arriving(ABC):
    """A reply whose body has not been read; the names of its `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]

    @abstractmethod
    async def read(self) -> Reply:
        """The whole reply; `CUT_OFF` when the body ends early, `UNREADABLE` beyond 100 MiB."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, to be closed when it is left early; `CUT_OFF` when it ends early."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection, which ends unless the whole body was read."""


class UnreachableError(InferenceError):
    """`CUT_OFF`, as there is no connection to the address: nobody's calls come there, whatever they ask for."""

    def __init__(self, problem: str) -> None:
        super().__init__(Kind.CUT_OFF, problem)


class Transport(Protocol):
    """Sends a call. The only thing that waits for a provider."""

    @abstractmethod
    async def send(self, call: Call, /) -> Arriving:
        """The reply, once its headers are there.

        `UnreachableError` where there is no connection, `CUT_OFF` where one ends before, `INVALID` for an address that
        is none or may not be called.
        """


class Whole(Arriving):
    """A *reply* that is all there, so that nobody waits for its body."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.status = reply.status
        self.headers = reply.headers

    @override
    async def read(self) -> Reply:
        return self.reply

    @override
    async def pieces(self) -> AsyncGenerator[bytes, None]:
        yield self.reply.body

    @override
    def close(self) -> None:
        pass


class HttpTransport(Transport):
    """Calls over HTTP/1.1, keeping connections for the next call."""

    def __init__(self, version: str) -> None:
        self._agent = f"inferpoint/{version}"
        self._session: aiohttp.ClientSession | None = None

    @override
    async def send(self, call: Call) -> Arriving:
        url = _address(call.url)
        try:
            response = await self._open().request(
                call.method,
                url,
                data=call.body,
                headers={"accept-encoding": "identity", "user-agent": self._agent, **call.headers},
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _unreachable(call, error) from None
        return _Arriving(response)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_CheckedResolver(), limit=0, ttl_dns_cache=30),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("accept", "accept-encoding", "user-agent"),
                read_bufsize=_PIECE,
            )
        return self._session


class _Arriving(Arriving):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): _readable(value) for name, value in response.headers.items()}

    @override
    async def read(self) -> Reply:
        pieces: list[bytes] = []
        size = 0
        async with aclosing(self.pieces()) as body:
            async for piece in body:
                size += len(piece)
                if size > LARGEST_REPLY:
                    self.close()
                    raise InferenceError(Kind.UNREADABLE, f"The provider's reply is larger than {LARGEST_REPLY} bytes")
                pieces.append(piece)
        return Reply(self.status, b"".join(pieces), self.headers)

    @override
    async def pieces(self) -> AsyncGenerator[bytes, None]:
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        closed = None if protocol is None else protocol.closed
        if closed is not None:
            closed.add_done_callback(self._lost)
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise InferenceError(Kind.CUT_OFF, f"The provider's reply was cut off: {_reason(error)}") from None
        finally:
            if closed is not None:
                closed.remove_done_callback(self._lost)

    def _lost(self, _closed: object) -> None:
        """Wake who reads the body: aiohttp closes a connection whose chunks are broken, and says nothing."""
        if not self._response.content.is_eof():
            self._response.content.set_exception(aiohttp.ClientPayloadError("the connection was lost"))

    @override
    def close(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _CheckedResolver(AbstractResolver):
    """The system's resolver, without the addresses that may not be called."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolver.resolve(host, port, family)
        allowed = [address for address in addresses if permitted(address["host"])]
        if not allowed:
            raise _ForbiddenError(host)
        return allowed

    @override
    async def close(self) -> None:
        await self._resolver.close()


class _ForbiddenError(OSError):
    """The name stands for addresses that may not be called."""


def _readable(value: str) -> str:
    """A header's value, which may hold any bytes, as text that can be written again."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@lru_cache(1024)
def _address(text: str) -> URL:
    """*text* as it is, percent-encoding included. A number instead of a name is checked here: nothing resolves it."""
    try:
        url = URL(text, encoded=True)
        host = url.host
    except ValueError:
        host = None
    if not host:
        raise invalid(f"Invalid url [{text.partition('?')[0]}]")
    if (":" in host or host.replace(".", "").isdigit()) and not permitted(host):
        raise _refused(text)
    return URL(text, encoded=True)


def _refused(address: str) -> InferenceError:
    return invalid(f"The address [{address.partition('?')[0]}] may not be called")


def _unreachable(call: Call, error: BaseException) -> InferenceError:
    address = call.url.partition("?")[0]
    if isinstance(error, _ForbiddenError) or isinstance(error.__cause__, _ForbiddenError):
        return _refused(address)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return invalid(f"Invalid host [{address}], please check that the URL is correct.")
    if isinstance(error, ValueError):
        # An illegal header value is the commonest cause, and its text would show the header: often a key.
        return invalid(f"The call to [{address}] could not be written: a header holds a character that is not allowed")
    problem = f"Could not reach [{address}]: {_reason(error)}"
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return UnreachableError(problem)
    return InferenceError(Kind.CUT_OFF, problem)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the body ended early"
    return str(error) or type(error).__name__
