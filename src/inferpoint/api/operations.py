"""Routes that watch the server: is it alive, is it ready, what does it count. None of them calls a provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.engine.engine import Engine

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"
PROBES = frozenset({LIVE, READY})  # asked by machines, which have no name for a server and know no prefix
PATHS = PROBES | {METRICS}  # asked by those who must know how a server does that is full


def under(prefix: Sequence[str]) -> frozenset[str]:
    """The `PATHS` below a *prefix*, by its segments, and the probes without it."""
    return frozenset("".join(f"/{segment}" for segment in prefix) + path for path in PATHS) | PROBES


def routes(exposition: Callable[[], Awaitable[bytes]], *, stopping: Callable[[], bool]) -> tuple[Route, ...]:
    """The routes; *stopping* says that the server takes no new work."""

    async def alive(_engine: Engine, _request: Request) -> Response:
        return json_response({"status": "alive"})

    async def ready(_engine: Engine, _request: Request) -> Response:
        if stopping():
            return json_response({"status": "stopping"}, 503)
        return json_response({"status": "ready"})

    async def metrics(_engine: Engine, _request: Request) -> Response:
        return Response(body=await exposition(), content_type=EXPOSITION)

    paths = {LIVE: alive, READY: ready, METRICS: metrics}
    return tuple(Route("GET", path, act, watches=True) for path, act in paths.items())
