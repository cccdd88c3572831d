"""The server with all its faces as an application that is called, without a network between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from world import World

from inferpoint.api.bodies import Bodies
from inferpoint.api.face import Route
from inferpoint.api.server import Entrance, Server
from inferpoint.app import faces
from inferpoint.model.http import Event
from inferpoint.model.limits import Limits
from inferpoint.outbound.memory import Memory
from inferpoint.protocols.sse import ServerSentEvents

CLIENT = "10.0.0.1"


class Told:
    """What an application sent."""

    def __init__(self, messages: list[Mapping[str, Any]]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode("latin-1") for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

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


class Application:
    """Asks the server of a world."""

    def __init__(
        self, world: World, most: int = 100_000, extra: Sequence[Route] = (), limits: Limits | None = None
    ) -> None:
        self.world = world
        taken = limits or Limits(body_bytes=most)
        self.memory = Memory(taken.held_bytes)
        entrance = Entrance(guarded=True, bodies=Bodies(taken, self.memory))
        self._server = Server(world.engine, faces(), extra, entrance, world.telemetry, world.clock)

    def __call__(
        self, method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Told:
        return self.world.run(self.ask(method, path, given, query, headers))

    async def ask(
        self, method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Told:
        """What is answered to one request; *given* as JSON unless it is bytes."""
        body = given if isinstance(given, bytes) else b"" if given is None else json.dumps(given).encode()
        named = {"content-length": str(len(body)), **(headers or {})}
        sent: list[Mapping[str, Any]] = []

        async def keep(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await self.serve(scope(method, path, query, named), iter([arriving(body)]), keep)
        return Told(sent)

    async def serve(
        self,
        scope: Mapping[str, Any],
        messages: Iterator[Mapping[str, Any]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
        left: asyncio.Event | None = None,
    ) -> None:
        """Serves one request that arrives in *messages*; the caller is gone once *left* is set, and else never."""
        gone = asyncio.Event() if left is None else left

        async def receive() -> Mapping[str, Any]:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        await self._server(scope, receive, send)


def scope(method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """What an application is told of a request before its body."""
    named = {"host": "localhost", **(headers or {})}
    return {
        "type": "http",
        "client": (CLIENT, 50_000),
        "method": method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
    }


def arriving(body: bytes, *, more: bool = False) -> Mapping[str, Any]:
    """A body, or a piece of one that has *more*."""
    return {"type": "http.request", "body": body, "more_body": more}


def post(world: World, path: str, body: Any) -> Told:
    """What is answered to a POST of *body*, as JSON unless it is bytes."""
    path, _, query = path.partition("?")
    return Application(world, 10**6)("POST", path, body, query)
