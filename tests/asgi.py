"""A server asked without a network between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from world import World

from inferpoint.api.elastic.routes import FACE
from inferpoint.api.server import Entrance, Server


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
    def events(self) -> list[tuple[str, Any]]:
        """Each event's name and data; `[DONE]` is no JSON."""
        found: list[tuple[str, Any]] = []
        for event in self.body.decode().split("\n\n")[:-1]:
            name, data = event.split("\n")
            said = data.removeprefix("data: ")
            found.append((name.removeprefix("event: "), said if said == "[DONE]" else json.loads(said)))
        return found


def post(world: World, path: str, body: Any) -> Told:
    """What is answered to a POST of *body*, as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    path, _, query = path.partition("?")
    server = Server(world.engine, FACE, (), Entrance(guarded=True, max_body_bytes=10**6), world.telemetry, world.clock)
    sent: list[Mapping[str, Any]] = []
    given = {"host": "localhost", "content-length": str(len(data))}
    scope = {
        "type": "http", "method": "POST", "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    asked = [{"type": "http.request", "body": data}]

    async def receive() -> Mapping[str, Any]:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    async def keep(message: Mapping[str, Any]) -> None:
        sent.append(message)

    world.run(server(scope, receive, keep))
    return Told(sent)
