"""The server with all its faces as an application that is called, without a network between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from world import World

from inferpoint.api.server import Entrance, Server
from inferpoint.app import FACES
from inferpoint.model.http import Event
from inferpoint.protocols.sse import ServerSentEvents


class Told:
    """What an application sent."""

    def __init__(self, messages: list[Mapping[str, Any]]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
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

    def __init__(self, world: World, most: int = 100_000) -> None:
        self.world = world
        entrance = Entrance(guarded=True, max_body_bytes=most)
        self._server = Server(world.engine, FACES, (), entrance, world.telemetry, world.clock)

    def __call__(
        self, method: str, path: str, given: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> Told:
        body = given if isinstance(given, bytes) else b"" if given is None else json.dumps(given).encode()
        sent: list[Mapping[str, Any]] = []
        named = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
        }
        asked = [{"type": "http.request", "body": body}]

        async def receive() -> Mapping[str, Any]:
            return asked.pop() if asked else await asyncio.get_running_loop().create_future()

        async def keep(message: Mapping[str, Any]) -> None:
            sent.append(message)

        self.world.run(self._server(scope, receive, keep))
        return Told(sent)


def post(world: World, path: str, body: Any) -> Told:
    """What is answered to a POST of *body*, as JSON unless it is bytes."""
    path, _, query = path.partition("?")
    return Application(world, 10**6)("POST", path, body, query)
