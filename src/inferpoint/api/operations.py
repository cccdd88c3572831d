"""Routes that watch the server: is it alive, is it ready, what does it count. None of them calls a provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.api.openapi.description import Form
from inferpoint.engine.engine import Engine

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"
PATHS = frozenset({LIVE, READY, METRICS})  # asked by those who must know how a server does that is full

_STATUS = Form(gives="Status")


def routes(exposition: Callable[[], Awaitable[bytes]], *, stopping: Callable[[], bool]) -> tuple[Route, ...]:
    """The routes; *stopping* says that the server takes no new work."""

    async def alive(_engine: Engine, _request: Request) -> Response:
        """Whether the server lives."""
        return json_response({"status": "alive"})

    async def ready(_engine: Engine, _request: Request) -> Response:
        """Whether the server takes requests; 503 where it does not."""
        if stopping():
            return json_response({"status": "stopping"}, 503)
        return json_response({"status": "ready"})

    async def metrics(_engine: Engine, _request: Request) -> Response:
        """What the server counts, for Prometheus."""
        return Response(body=await exposition(), content_type=EXPOSITION)

    return (
        Route("GET", LIVE, alive, form=_STATUS, watches=True, keyless=True),
        Route("GET", READY, ready, form=_STATUS, watches=True, keyless=True),
        Route("GET", METRICS, metrics, form=Form(gives="Exposition"), watches=True),
    )
