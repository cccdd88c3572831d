"""Routes that watch the server: is it alive, is it ready, what does it count. None of them calls a provider."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence

from inferpoint.access import actions
from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.api.openapi.description import Form
from inferpoint.engine.engine import Engine

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_LABEL = re.compile(r'[{,](group|caller)="((?:[^"\\]|\\.)*)"')

LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"
PROBES = frozenset({LIVE, READY})  # asked by machines, which have no name for a server and know no prefix
PATHS = PROBES | {METRICS}  # asked by those who must know how a server does that is full


def under(prefix: Sequence[str]) -> frozenset[str]:
    """The `PATHS` below a *prefix*, by its segments, and the probes without it."""
    return frozenset("".join(f"/{segment}" for segment in prefix) + path for path in PATHS) | PROBES


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

    async def metrics(engine: Engine, request: Request) -> Response:
        """What the server counts, for Prometheus."""
        body = await exposition()
        if request.caller.scope is not None:
            own = {resolved.group for resolved in engine.lifecycle.all(request.caller)}
            body = _own_lines(body, own, request.caller.name)
        return Response(body=body, content_type=EXPOSITION)

    return (
        Route("GET", LIVE, alive, form=_STATUS, watches=True, keyless=True),
        Route("GET", READY, ready, form=_STATUS, watches=True, keyless=True),
        Route("GET", METRICS, metrics, form=Form(gives="Exposition"), watches=True, action=actions.METRICS),
    )


def _own_lines(exposition: bytes, groups: Collection[str], caller: str) -> bytes:
    """The lines of an *exposition* but those of other rate groups and other callers."""
    lines: list[str] = []
    for line in exposition.decode().splitlines(keepends=True):
        labels = dict(_LABEL.findall(line))
        if labels.get("group") in (None, *groups) and labels.get("caller") in (None, caller):
            lines.append(line)
    return "".join(lines).encode()
