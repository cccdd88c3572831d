"""What watches the server: is it alive, is it ready, what does it count. None of it calls a provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from inferpoint.api.face import Answer, Incoming, Route
from inferpoint.engine.engine import Engine

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def routes(exposition: Callable[[], Awaitable[bytes]], *, stopping: Callable[[], bool]) -> tuple[Route, ...]:
    """The routes; *stopping* says that the server takes no new work."""

    async def alive(_engine: Engine, _incoming: Incoming) -> Answer:
        return Answer(body=msgspec.json.encode({"status": "alive"}))

    async def ready(_engine: Engine, _incoming: Incoming) -> Answer:
        if stopping():
            return Answer(503, msgspec.json.encode({"status": "stopping"}))
        return Answer(body=msgspec.json.encode({"status": "ready"}))

    async def metrics(_engine: Engine, _incoming: Incoming) -> Answer:
        return Answer(body=await exposition(), content_type=EXPOSITION)

    return (Route("GET", "/livez", alive), Route("GET", "/readyz", ready), Route("GET", "/metrics", metrics))
