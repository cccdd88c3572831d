"""All faces as one application: match the route, let the caller in, read, act, answer, tell.

Without a framework: a search request is answered in less time than a framework needs to route it, and every request,
hot or not, takes the same path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from inferpoint.api import admission
from inferpoint.api.bodies import Bodies
from inferpoint.api.crowd import Crowd
from inferpoint.api.elastic.errors import refusal_body
from inferpoint.api.face import Face, Request, Response, Route
from inferpoint.api.headers import OPAQUE_ID, REQUEST_ID, stats_headers
from inferpoint.api.operations import PROBES
from inferpoint.api.pings import Pings
from inferpoint.api.router import Matched, Router
from inferpoint.clock import Clock
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.heads import Refusal
from inferpoint.inbound.origins import NO_HEADERS, Origins
from inferpoint.model.json_body import JsonBody
from inferpoint.model.requests import ANONYMOUS, RequestStats
from inferpoint.outbound import hops
from inferpoint.outbound.memory import Share
from inferpoint.telemetry.events import Answered, Level
from inferpoint.telemetry.telemetry import Telemetry

CLIENT_LEFT = 499
_ELSEWHERE = "-"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entrance:
    """The conditions of entry: `origins` are whom browsers may bring, `bodies` are taken within their limits.

    `prefix` is the segments that every path begins with, but for those of probes. `requests_per_key` are in work.
    """

    origins: Origins
    bodies: Bodies
    prefix: tuple[str, ...] = ()
    requests_per_key: int = sys.maxsize


class Server:
    """The application. The first of the faces also has the *extra* routes, and paths that are no other face's."""

    def __init__(
        self,
        engine: Engine,
        faces: Sequence[Face],
        extra: Sequence[Route],
        entrance: Entrance,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._engine = engine
        first, *others = faces
        self._routers = [(first, Router([*first.routes, *extra])), *((face, Router(face.routes)) for face in others)]
        self._homes = sorted(faces, key=lambda face: len(face.prefix), reverse=True)
        self._entrance = entrance
        self._shares = entrance.origins.shares
        self._crowd = Crowd(entrance.requests_per_key)
        self._telemetry = telemetry
        self._clock = clock

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        began = self._clock.monotonic()
        asked = _Asked(exchange, int(self._clock.now().timestamp()))
        face, matched = self._find(asked)
        try:
            response = await self._answer(asked, face, matched)
            shared = self._entrance.origins.shared(exchange.headers) if self._shares else NO_HEADERS
            await asked.answer(response, shared, self._clock)
        except asyncio.CancelledError:  # the caller left, or a stream outlived the deadline of the shutdown
            asked.status = CLIENT_LEFT if exchange.left else asked.status
        finally:
            asked.close()
            self._tell(asked, matched.pattern if matched else _ELSEWHERE, began)

    def refused(self, client: str, refusal: Refusal) -> bytes:
        """The body for what *client* sent and was no request, which is told of too."""
        body, kind = refusal_body(*refusal), Kind.OVERLOADED if refusal.status == 503 else Kind.INVALID
        self._telemetry.answered(
            Answered(
                time=self._clock.now(),
                level=Level.INFO,
                request_id=os.urandom(8).hex(),
                caller=ANONYMOUS.name,
                method=_ELSEWHERE,
                route=_ELSEWHERE,
                path=_ELSEWHERE,
                status=refusal.status,
                seconds=0.0,
                size=len(body),
                client=client,
                kind=kind.value,
                reason=refusal.reason,
            )
        )
        return body

    def _find(self, asked: _Asked) -> tuple[Face, Matched | None]:
        """The face that answers, and its routes at that path; without any, the face below whose prefix the path is."""
        prefix, segments = self._entrance.prefix, asked.path
        if prefix and tuple(segments[: len(prefix)]) == prefix:
            asked.path = segments[len(prefix) :]
        elif prefix and "/" + "/".join(segments) not in PROBES:
            return self._routers[0][0], None
        for face, router in self._routers:
            if matched := router.find(asked.path):
                return face, matched
        path = "/" + "".join(f"{segment}/" for segment in asked.path)
        return next(face for face in self._homes if path.startswith(face.prefix)), None

    async def _answer(self, asked: _Asked, face: Face, matched: Matched | None) -> Response:
        request = asked.request(matched.path_params if matched else {})
        try:
            return face.finish(await self._act(asked, request, face, matched), request)
        except InferenceError as error:
            failure = error
            _let_go(failure)
        except asyncio.CancelledError:
            if asked.exchange.left:
                raise
            failure = InferenceError(Kind.INTERNAL, "The server was stopped before its answer")
        except Exception:  # noqa: BLE001 - whatever happens, the caller gets an answer and the log the reason
            _LOG.exception("The request [%s] failed", asked.request_id)
            problem = f"An internal error happened; the log has it under request id [{asked.request_id}]"
            failure = InferenceError(Kind.INTERNAL, problem)
        asked.failure = failure
        return face.finish(face.fail(failure, request), request)

    async def _act(self, asked: _Asked, request: Request, face: Face, matched: Matched | None) -> Response:
        exchange, origins = asked.exchange, self._entrance.origins
        if matched is None or matched.pattern not in PROBES:
            origins.refuse(exchange.method, exchange.headers, exchange.scheme, exchange.host)
        if exchange.method == "OPTIONS" and (headers := origins.preflight(exchange.headers)) is not None:
            return Response(204, headers=headers)
        hops.arrived(request.headers)
        if matched is None:
            raise _unrouted(Kind.NO_ROUTE, face, request)
        route = matched.routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            asked.allowed = ", ".join(sorted(matched.routes))
            raise _unrouted(Kind.WRONG_METHOD, face, request, asked.allowed)
        asked.infers, asked.watches = route.infers, route.watches
        if asked.caller is not ANONYMOUS:  # of those without a key all together are bounded, by their connections
            asked.enter(self._crowd)
        face.check(request, route)
        body, json = await asked.body(self._entrance.bodies)
        await self._engine.refresh()
        return await route.act(self._engine, asked.request(matched.path_params, body, json))

    def _tell(self, asked: _Asked, pattern: str, began: float) -> None:
        failure, stats = asked.failure, asked.stats
        self._telemetry.answered(
            Answered(
                time=self._clock.now(),
                level=asked.level,
                request_id=asked.request_id,
                caller=asked.caller.name,
                method=asked.exchange.method,
                route=pattern,
                path=asked.exchange.path,
                status=asked.status,
                seconds=self._clock.monotonic() - began,
                size=asked.exchange.sent,
                opaque_id=asked.exchange.headers.get(OPAQUE_ID, ""),
                client=asked.exchange.client,
                certificate=asked.exchange.certificate,
                endpoint=stats.endpoint,
                attempts=stats.attempts,
                kind="" if failure is None else failure.kind.value,
                reason="" if failure is None else failure.whole(),
            )
        )


def _let_go(error: BaseException | None) -> None:
    """Have *error* and what led to it keep nothing alive of the walk that it ended, which may hold a whole body."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _unrouted(kind: Kind, face: Face, request: Request, allowed: str = "") -> InferenceError:
    """No route is for *request*; its path is for the *allowed* methods."""
    phrase = face.words[kind].phrase
    return InferenceError(kind, phrase.format(method=request.method, path=request.path, allowed=allowed))


class _Asked:
    """One request on its walk, and what becomes of it."""

    def __init__(self, exchange: Exchange, time: int) -> None:
        self._time = time
        self._share: Share | None = None
        self._crowd: Crowd | None = None
        self.exchange = exchange
        self.path = [unquote(segment) for segment in exchange.path.split("/") if segment]
        self.caller = admission.caller(exchange.headers)
        self.request_id = os.urandom(8).hex()
        self.stats = RequestStats()
        self.infers = self.watches = False
        self.allowed = ""  # the methods of a path that is asked with another
        self.failure: InferenceError | None = None
        self.status = 0

    @property
    def level(self) -> Level:
        """How much the end of the request matters to who runs the server."""
        if self.watches:
            return Level.DEBUG
        failed = self.status >= 500 or (self.failure is not None and self.failure.is_not_the_callers)
        return Level.ERROR if failed else Level.INFO

    def request(self, path_params: Mapping[str, str], body: bytes = b"", json: JsonBody | None = None) -> Request:
        """The request as a face is asked it."""
        exchange = self.exchange
        return Request(
            exchange.method,
            exchange.path,
            path_params,
            dict(parse_qsl(exchange.query, keep_blank_values=True)) if exchange.query else {},
            exchange.headers,
            body,
            self.caller,
            self.request_id,
            self._time,
            self.stats,
            json,
        )

    async def body(self, bodies: Bodies) -> tuple[bytes, JsonBody]:
        """The whole body, without its encoding, and as JSON; read no further than within the limits of *bodies*."""
        exchange, most = self.exchange, bodies.limits.body_bytes
        admission.refuse_large(exchange.headers, most)
        self._share = bodies.memory.share()
        pieces: list[bytes] = []
        size = 0
        while True:
            pieces.append(exchange.take())
            size += len(pieces[-1])
            if size > most:
                raise admission.too_large(most)
            self._share.take(len(pieces[-1]))
            if exchange.whole:
                break
            await exchange.more()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()  # a large body is there once while it is read
        return await bodies.opened(body, exchange.headers, self._share)

    def enter(self, crowd: Crowd) -> None:
        """Be one of the requests in work."""
        crowd.enter(self.caller)
        self._crowd = crowd

    def close(self) -> None:
        """Hold nothing of the body any more, and be in work no more."""
        if self._crowd is not None:
            self._crowd.leave(self.caller)
        if self._share is not None:
            self._share.close()

    async def answer(self, response: Response, shared: Mapping[str, str], clock: Clock) -> None:
        """Send *response*, with headers by which it is *shared* with pages from elsewhere."""
        self.status = response.status
        headers = {"content-type": response.content_type, REQUEST_ID: self.request_id, **response.headers, **shared}
        if self.infers:
            headers.update(stats_headers(self.stats))
        if self.allowed:
            headers["allow"] = self.allowed
        if response.pieces is None:
            await self.exchange.answer(response.status, headers, response.body)
            return
        self.exchange.begin(response.status, headers)
        async with contextlib.aclosing(response.pieces):
            try:
                with Pings(self.exchange, clock, response.ping):
                    async for piece in response.pieces:
                        await self.exchange.send(piece)
            except InferenceError as error:  # the caller was told it by the last piece
                self.failure = error
        await self.exchange.end()
