"""One request on its walk: where it belongs, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

import msgspec

from inferpoint.api.bodies import Bodies
from inferpoint.api.crowd import Crowd
from inferpoint.api.face import Face, Request, Response, Route, Stream
from inferpoint.api.headers import REQUEST_ID, stats_headers
from inferpoint.api.pings import Pings
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.exchange import Exchange
from inferpoint.model.json_body import JsonBody
from inferpoint.model.requests import Caller
from inferpoint.outbound import hops
from inferpoint.outbound.memory import Share
from inferpoint.storage.audit import Audit
from inferpoint.telemetry.events import Level

ELSEWHERE = "-"  # in place of a route's pattern
STRANGER = Caller("-", frozenset())  # who is not known yet, and need not be for a probe


class Place(msgspec.Struct):
    """Where requests with one head belong: worked out with the first of them, and kept beside the head.

    Without a `route` nothing is at their path, or nothing for their method, where others are `allowed`. Once a request
    was `checked`, those after it with its head are not; `hops` are the servers of this kind that they came through,
    `opaque_id` is what they are called by who asks.
    """

    face: Face
    query: Mapping[str, str]
    route: Route | None = None
    pattern: str = ELSEWHERE
    path_params: Mapping[str, str] = {}
    allowed: str = ""
    checked: bool = False
    hops: int = 0
    opaque_id: str = ""

    def unrouted(self, request: Request) -> InferenceError:
        """Why no route is for *request*."""
        kind = Kind.WRONG_METHOD if self.allowed else Kind.NO_ROUTE
        phrase = self.face.words[kind].phrase
        return InferenceError(kind, phrase.format(method=request.method, path=request.path, allowed=self.allowed))

    def check(self, request: Request, route: Route) -> None:
        """Refuse a *request* for what its head says."""
        self.hops = hops.told(request.headers)
        self.face.check(request, route)
        self.checked = True


class Asked:
    """One request on its walk, and what becomes of it."""

    def __init__(self, exchange: Exchange, place: Place, now: float) -> None:
        self.exchange = exchange
        self.place = place
        self.now = now
        self.request = Request(
            exchange.method,
            exchange.path,
            place.path_params,
            place.query,
            exchange.headers,
            b"",
            STRANGER,
            os.urandom(8).hex(),
            int(now),
            client=exchange.client,
        )
        self.is_admitted = False
        self.expulsion: InferenceError | None = None
        self.failure: InferenceError | None = None
        self.status = 0
        self._share: Share | None = None
        self._crowd: Crowd | None = None
        self._task = asyncio.current_task()

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
        self._share = bodies.memory.share()
        return await bodies.read(self.exchange, self._share)

    def enter(self, crowd: Crowd) -> None:
        """Be one of the requests in work."""
        crowd.enter(self.request.caller)
        self._crowd = crowd

    async def record(self, error: InferenceError, audit: Audit) -> None:
        """Write down what a caller who is known may not do, as *error* says, where it would change something."""
        request, route = self.request, self.place.route
        if route is not None and route.action.change and request.caller is not STRANGER:
            target = next((value for name, value in request.path_params.items() if name != "task_type"), "")
            await audit.record(request.manager, route.action.change, target, error=error)

    def expel(self, reason: InferenceError) -> None:
        """End, for a *reason* that the caller is told unless an answer has begun."""
        self.expulsion = reason
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Hold nothing of the body any more, and be in work no more."""
        if self._crowd is not None:
            self._crowd.leave(self.request.caller)
        if self._share is not None:
            self._share.close()

    async def answer(self, response: Response, shared: Mapping[str, str], clock: Clock) -> None:
        """Send *response*, with headers by which it is *shared* with pages from elsewhere."""
        exchange, request, place = self.exchange, self.request, self.place
        self.status = response.status
        headers = {"content-type": response.content_type, REQUEST_ID: request.request_id, **response.headers, **shared}
        if place.route is not None and place.route.infers:
            headers |= stats_headers(request.stats)
        if place.allowed:
            headers["allow"] = place.allowed
        if response.stream is None:
            await exchange.answer(response.status, headers, response.body)
            return
        exchange.begin(response.status, headers)
        with Pings(exchange, clock, response.ping):
            await self._send(response.stream)
        await exchange.end()

    async def _send(self, stream: Stream) -> None:
        """Send a *stream* as it comes; what breaks it is told by its last piece."""
        send, feed = self.exchange.send, stream.feed
        async with contextlib.aclosing(stream.pieces):
            try:
                await send(feed(stream.first))
                async for deltas in stream.pieces:
                    await send(feed(deltas))
                await send(stream.end())
            except InferenceError as error:
                self.failure = error
                await send(stream.fail(error))
