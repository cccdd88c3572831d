"""All faces as one application: match the route, let the caller in, read, act, answer, tell.

Without a framework: a search request is answered in less time than a framework needs to route it, and every request,
hot or not, takes the same path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import msgspec

from inferpoint.api import admission
from inferpoint.api.bodies import Bodies
from inferpoint.api.elastic.errors import refusal_body
from inferpoint.api.face import Face, Request, Response, Route
from inferpoint.api.headers import OPAQUE_ID, REQUEST_ID, stats_headers
from inferpoint.api.router import Router
from inferpoint.clock import Clock
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.heads import Head, Refusal
from inferpoint.model.json_body import JsonBody
from inferpoint.model.requests import ANONYMOUS
from inferpoint.outbound import hops
from inferpoint.outbound.memory import Share
from inferpoint.telemetry.events import Answered, Level
from inferpoint.telemetry.telemetry import Telemetry

CLIENT_LEFT = 499
_ELSEWHERE = "-"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entrance:
    """The conditions of entry: *guarded* against pages from elsewhere, with *bodies* within their limits."""

    guarded: bool
    bodies: Bodies


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
        self._bodies = entrance.bodies
        self._telemetry = telemetry
        self._clock = clock

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        began, now = self._clock.monotonic(), self._clock.now()
        place: Place = exchange.head.known or self._find(exchange.head)
        asked = _Asked(exchange, place, int(now.timestamp()))
        try:
            await asked.answer(await self._answer(asked))
        except asyncio.CancelledError:  # the caller left, or a stream outlived the deadline of the shutdown
            asked.status = CLIENT_LEFT if exchange.left else asked.status
        finally:
            if asked.share is not None:
                asked.share.close()
            self._tell(asked, began)

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

    def _find(self, head: Head) -> Place:
        """Where requests with *head* belong; without any route, the face below whose prefix their path is."""
        segments = [unquote(segment) for segment in head.path.split("/") if segment]
        query = dict(parse_qsl(head.query, keep_blank_values=True)) if head.query else {}
        for face, router in self._routers:
            if matched := router.find(segments):
                route = matched.routes.get("GET" if head.method == "HEAD" else head.method)
                allowed = "" if route else ", ".join(sorted(matched.routes))
                place = Place(face, query, route, matched.pattern, matched.path_params, allowed)
                break
        else:
            path = "/" + "".join(f"{segment}/" for segment in segments)
            place = Place(next(face for face in self._homes if path.startswith(face.prefix)), query)
        place.opaque_id = head.headers.get(OPAQUE_ID, "")
        head.known = place
        return place

    async def _answer(self, asked: _Asked) -> Response:
        request, face = asked.request, asked.place.face
        try:
            route = self._enter(asked)
            if (read := self._bodies.at_once(asked.exchange)) is None:
                read = await asked.read(self._bodies)
            request.body, request.json = read
            await self._engine.refresh()
            return face.finish(await route.act(self._engine, request), request)
        except InferenceError as error:
            failure = error
            _let_go(failure)
        except asyncio.CancelledError:
            if asked.exchange.left:
                raise
            failure = InferenceError(Kind.INTERNAL, "The server was stopped before its answer")
        except Exception:  # noqa: BLE001 - whatever happens, the caller gets an answer and the log the reason
            _LOG.exception("The request [%s] failed", request.request_id)
            problem = f"An internal error happened; the log has it under request id [{request.request_id}]"
            failure = InferenceError(Kind.INTERNAL, problem)
        asked.failure = failure
        return face.finish(face.fail(failure, request), request)

    def _enter(self, asked: _Asked) -> Route:
        """The route of a request, once it is let in, before a byte of its body is read."""
        request, place = asked.request, asked.place
        if self._entrance.guarded:
            admission.refuse_foreign_page(request.headers)
        if not place.checked:
            place.check(request)
        hops.arrived(place.hops)
        assert place.route is not None
        return place.route

    def _tell(self, asked: _Asked, began: float) -> None:
        exchange, request, failure = asked.exchange, asked.request, asked.failure
        stats = request.stats
        self._telemetry.answered(
            Answered(
                time=self._clock.now(),
                level=asked.level,
                request_id=request.request_id,
                caller=request.caller.name,
                method=request.method,
                route=asked.place.pattern,
                path=request.path,
                status=asked.status,
                seconds=self._clock.monotonic() - began,
                size=exchange.sent,
                opaque_id=asked.place.opaque_id,
                client=exchange.client,
                endpoint=stats.endpoint,
                attempts=stats.attempts,
                kind="" if failure is None else failure.kind.value,
                reason="" if failure is None else failure.whole(),
            )
        )


class Place(msgspec.Struct):
    """Where requests with one head belong: worked out with the first of them, and kept beside the head.

    Without a `route` nothing is at their path, or nothing for their method, where others are `allowed`. Once a request
    was `checked`, those after it with its head are not; `hops` are the servers of this kind that they came through,
    `opaque_id` is what they are called by who asks.
    """

    face: Face
    query: Mapping[str, str]
    route: Route | None = None
    pattern: str = _ELSEWHERE
    path_params: Mapping[str, str] = {}
    allowed: str = ""
    checked: bool = False
    hops: int = 0
    opaque_id: str = ""

    def check(self, request: Request) -> None:
        """Refuse a *request* for what its head says."""
        self.hops = hops.told(request.headers)
        if self.route is None:
            kind = Kind.WRONG_METHOD if self.allowed else Kind.NO_ROUTE
            phrase = self.face.words[kind].phrase
            raise InferenceError(kind, phrase.format(method=request.method, path=request.path, allowed=self.allowed))
        self.face.check(request, self.route)
        self.checked = True


def _let_go(error: BaseException | None) -> None:
    """Have *error* and what led to it keep nothing alive of the walk that it ended, which may hold a whole body."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


class _Asked:
    """One request on its walk, and what becomes of it; a large body holds its *share* of the memory to the end."""

    def __init__(self, exchange: Exchange, place: Place, time: int) -> None:
        self.exchange = exchange
        self.place = place
        self.request = Request(
            exchange.method,
            exchange.path,
            place.path_params,
            place.query,
            exchange.headers,
            b"",
            admission.caller(exchange.headers),
            os.urandom(8).hex(),
            time,
        )
        self.failure: InferenceError | None = None
        self.status = 0
        self.share: Share | None = None

    @property
    def level(self) -> Level:
        """How much the end of the request matters to who runs the server."""
        route, failure = self.place.route, self.failure
        if failure is None and route is not None and route.watches:
            return Level.DEBUG
        failed = self.status >= 500 or (failure is not None and failure.is_not_the_callers)
        return Level.ERROR if failed else Level.INFO

    async def read(self, bodies: Bodies) -> tuple[bytes, JsonBody]:
        """The body, which may come in pieces and be large, and what it is as JSON."""
        self.share = bodies.memory.share()
        return await bodies.read(self.exchange, self.share)

    async def answer(self, response: Response) -> None:
        """Send *response*."""
        exchange, request, place = self.exchange, self.request, self.place
        self.status = response.status
        headers = {"content-type": response.content_type, REQUEST_ID: request.request_id, **response.headers}
        if place.route is not None and place.route.infers:
            headers |= stats_headers(request.stats)
        if place.allowed:
            headers["allow"] = place.allowed
        if response.pieces is None:
            await exchange.answer(response.status, headers, response.body)
            return
        exchange.begin(response.status, headers)
        async with contextlib.aclosing(response.pieces):
            try:
                async for piece in response.pieces:
                    await exchange.send(piece)
            except InferenceError as error:  # the caller was told it by the last piece
                self.failure = error
        await exchange.end()
