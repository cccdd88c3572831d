"""The server with all its faces at the end of a connection that is no network's: bytes go in, and bytes come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from world import World

from inferpoint.access.callers import Callers
from inferpoint.access.management import Management
from inferpoint.api.bodies import Bodies
from inferpoint.api.elastic.jobs import JobRoutes
from inferpoint.api.elastic.security import Security
from inferpoint.api.face import Route
from inferpoint.api.server import Entrance, Server
from inferpoint.app import faces
from inferpoint.bulk.hosted import HostedJobs
from inferpoint.inbound.connection import Connection
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.origins import CLOSED, Origins
from inferpoint.inbound.server import Application as Answering
from inferpoint.inbound.server import HttpServer
from inferpoint.model.http import Event
from inferpoint.model.limits import Limits
from inferpoint.outbound.memory import Memory
from inferpoint.protocols.sse import ServerSentEvents

CLIENT = "10.0.0.1"
LIMITS = ConnectionLimits(shutdown_seconds=1)


class Told:
    """One answer, of the bytes that came back."""

    def __init__(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        self.body = unchunked(body) if self.headers.get("transfer-encoding") == "chunked" else body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def framed(self) -> list[Event]:
        """The events as they are."""
        return list(ServerSentEvents().feed(self.body))

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Each event's name and data; `[DONE]` is no JSON."""
        return [(each.name, "[DONE]" if each.data == b"[DONE]" else json.loads(each.data)) for each in self.framed]

    @property
    def error(self) -> tuple[int, Any]:
        """Status and error, in the form that OpenAI and Anthropic share."""
        return self.status, self.json["error"]


class Caller(asyncio.Transport):
    """Who asks: what it was `told` so far, and whether the server `reads` and has `closed`."""

    def __init__(self, server: HttpServer, hears: Callable[[Caller], None] = lambda _: None) -> None:
        super().__init__()
        self.told = b""
        self.reads = True
        self.closed = False
        self.unread = 0  # bytes that wait to be read by whoever does not
        self._hears = hears
        self.connection = Connection(server)
        self.connection.connection_made(self)

    def say(self, data: bytes) -> None:
        """Send bytes; what comes back is in `told` once the server had its turns."""
        self.connection.data_received(data)

    def leave(self) -> None:
        """Be gone."""
        if not self.closed:
            self.closed = True
            self.connection.connection_lost(None)

    async def answered(self) -> None:
        """Wait until nothing is in work any more."""
        while (task := self.connection.task) is not None:
            await asyncio.wait({task})

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (CLIENT, 50_000) if name == "peername" else default

    def write(self, data: Any) -> None:
        if not self.closed:
            self.told += data
            self._hears(self)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def get_write_buffer_size(self) -> int:
        return self.unread


class Application:
    """Asks the server of a world."""

    def __init__(
        self,
        world: World,
        most: int = 100_000,
        extra: Sequence[Route] = (),
        limits: Limits | None = None,
        origins: Origins = CLOSED,
        prefix: tuple[str, ...] = (),
        requests_per_key: int = 1000,
        jobs: HostedJobs | None = None,
    ) -> None:
        self.world = world
        taken = limits or Limits(body_bytes=most)
        self.memory = Memory(taken.held_bytes)
        callers = Callers(world.keys, is_open=True)
        entrance = Entrance(origins, callers, Bodies(taken, self.memory), prefix, requests_per_key)
        security = Security(Management(world.keys, world.clock, world.engine.audit)).routes()
        own = (*extra, *security, *JobRoutes(jobs).routes())
        self.server = Server(world.engine, faces(), own, entrance, world.telemetry, world.clock)

    def __call__(
        self, method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Told:
        return self.world.run(self.ask(method, path, given, query, headers))

    async def ask(
        self, method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Told:
        """What is answered to one request; *given* as JSON unless it is bytes."""
        caller = self.caller()
        caller.say(request(method, path, given, query, headers))
        await caller.answered()
        caller.leave()
        return Told(caller.told)

    def caller(self, hears: Callable[[Caller], None] = lambda _: None) -> Caller:
        """Somebody who has connected, and *hears* what is told."""
        return Caller(serving(self.server), hears)


def serving(application: Answering, limits: ConnectionLimits | None = None) -> HttpServer:
    """A server of *application* without a socket."""
    return HttpServer(application, limits or LIMITS, [], frozenset())


def request(
    method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a request; *given* as JSON unless it is bytes."""
    body = given if isinstance(given, bytes) else b"" if given is None else json.dumps(given).encode()
    named = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
    return head(f"{method} {path}{'?' if query else ''}{query} HTTP/1.1", named) + body


def head(first: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a head."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def chunk(piece: bytes) -> bytes:
    """A piece of a body in chunks."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def unchunked(data: bytes) -> bytes:
    """The body that is in chunks, as far as it came."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return body


def post(world: World, path: str, body: Any) -> Told:
    """What is answered to a POST of *body*, as JSON unless it is bytes."""
    path, _, query = path.partition("?")
    return Application(world, 10**6)("POST", path, body, query)
