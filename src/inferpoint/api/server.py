"""All faces as one application: match the route, let the caller in, read, act, answer, tell.

Without a framework: a search request is answered in less time than a framework needs to route it, and every request,
hot or not, takes the same path.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from inferpoint.access.callers import Callers
from inferpoint.access.decision import allow
from inferpoint.api.asked import ELSEWHERE, STRANGER, Asked, Place
from inferpoint.api.bodies import Bodies
from inferpoint.api.crowd import Crowd
from inferpoint.api.elastic.errors import refusal_body
from inferpoint.api.face import Face, Request, Response, Route
from inferpoint.api.headers import OPAQUE_ID
from inferpoint.api.operations import PROBES
from inferpoint.api.router import Router
from inferpoint.clock import Clock
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind, let_go
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.heads import Head, Refusal
from inferpoint.inbound.origins import NO_HEADERS, Origins
from inferpoint.model.privileges import MANAGE_KEYS
from inferpoint.model.requests import ANONYMOUS
from inferpoint.outbound import hops
from inferpoint.telemetry.events import Answered, Level
from inferpoint.telemetry.telemetry import Telemetry

CLIENT_LEFT = 499
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entrance:
    """The conditions of entry: `origins` are whom browsers may bring, `bodies` are taken from `callers` within limits.

    `prefix` is the segments that every path begins with, but for those of probes. `requests_per_key` are in work.
    """

    origins: Origins
    callers: Callers
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
        self._bodies = entrance.bodies
        self._callers = entrance.callers
        self._origins = entrance.origins
        self._shares = entrance.origins.shares
        self._crowd = Crowd(entrance.requests_per_key)
        self._preflight = Route("OPTIONS", "", self._answer_preflight, keyless=True)
        self._telemetry = telemetry
        self._clock = clock
        self._running: set[Asked] = set()  # that end when their callers' keys do
        entrance.callers.keys.watchers.append(self._expel)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        began, now = self._clock.monotonic(), self._clock.now()
        place: Place = exchange.head.known or self._find(exchange.head)
        asked = Asked(exchange, place, now.timestamp())
        try:
            response = await self._answer(asked)
            shared = self._origins.shared(exchange.headers) if self._shares else NO_HEADERS
            await asked.answer(response, shared, self._clock)
        except asyncio.CancelledError:  # the caller left, or a stream outlived the deadline of the shutdown
            asked.status = CLIENT_LEFT if exchange.left else asked.status
        finally:
            self._running.discard(asked)
            asked.close()
            self._tell(asked, began)

    def refused(self, client: str, refusal: Refusal) -> bytes:
        """The body for what *client* sent and was no request, which is told of too."""
        body, kind = refusal_body(*refusal), Kind.OVERLOADED if refusal.status == 503 else Kind.INVALID
        self._telemetry.answered(
            Answered(
                time=self._clock.now(),
                level=Level.INFO,
                request_id=os.urandom(8).hex(),
                caller=STRANGER.name,
                method=ELSEWHERE,
                route=ELSEWHERE,
                path=ELSEWHERE,
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
        prefix = self._entrance.prefix
        if prefix and tuple(segments[: len(prefix)]) == prefix:
            segments = segments[len(prefix) :]
        elif prefix and "/" + "/".join(segments) not in PROBES:
            head.known = place = Place(self._routers[0][0], query)
            return place
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

    async def _answer(self, asked: Asked) -> Response:
        request, face = asked.request, asked.place.face
        try:
            if self._callers.keys.is_stale:
                await self._callers.keys.refresh()
            route = self._enter(asked)
            if (read := self._bodies.at_once(asked.exchange)) is None:
                read = await asked.read(self._bodies)
            request.body, request.json = read
            await self._engine.refresh()
            return face.finish(await route.act(self._engine, request), request)
        except InferenceError as error:
            failure = error
            if error.kind is Kind.FORBIDDEN and not asked.is_admitted:
                await asked.record(error, self._engine.audit)
        except asyncio.CancelledError:
            if asked.exchange.left:
                raise
            failure = asked.expulsion or InferenceError(Kind.INTERNAL, "The server was stopped before its answer")
        except Exception:  # noqa: BLE001 - whatever happens, the caller gets an answer and the log the reason
            _LOG.exception("The request [%s] failed", request.request_id)
            problem = f"An internal error happened; the log has it under request id [{request.request_id}]"
            failure = InferenceError(Kind.INTERNAL, problem)
        asked.failure = failure
        answer = face.finish(face.fail(failure, request), request)
        let_go(failure)
        return answer

    def _enter(self, asked: Asked) -> Route:
        """The route of a request, once it is let in, before a byte of its body is read."""
        exchange, request, place, origins = asked.exchange, asked.request, asked.place, self._origins
        if place.pattern not in PROBES:
            origins.refuse(request.method, request.headers, exchange.scheme, exchange.host)
        if request.method == "OPTIONS" and origins.preflight(request.headers) is not None:
            return self._preflight
        route = place.route
        if route is None or not route.keyless:
            request.caller = self._callers.of(request.headers, asked.now)
        if route is None:
            raise place.unrouted(request)
        if not route.keyless:
            allow(request.caller, route.action)
            if request.caller is not ANONYMOUS:  # of those without a key all together are bounded, by their connections
                asked.enter(self._crowd)
        asked.is_admitted = True
        if not place.checked:
            place.check(request, route)
        hops.arrived(place.hops)
        if route.action.privilege != MANAGE_KEYS:  # whoever ends their own key is told so
            self._running.add(asked)
        return route

    def _expel(self) -> None:
        """End the requests of callers whose keys have ended."""
        now = self._clock.now().timestamp()
        for asked in [*self._running]:
            caller = asked.request.caller
            if caller is not STRANGER and (ended := self._callers.ended(caller, now)):
                asked.expel(ended)

    async def _answer_preflight(self, _engine: Engine, request: Request) -> Response:
        return Response(204, headers=self._origins.preflight(request.headers) or {})

    def _tell(self, asked: Asked, began: float) -> None:
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
                certificate=exchange.certificate,
                endpoint=stats.endpoint,
                attempts=stats.attempts,
                kind="" if failure is None else failure.kind.value,
                reason="" if failure is None else failure.whole(),
            )
        )
