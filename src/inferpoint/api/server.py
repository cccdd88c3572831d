"""All faces as one ASGI application: match the route, let the caller in, read, act, answer, tell.

ASGI itself, without a framework: a search request is answered in less time than a framework needs to route it, and
every request, hot or not, takes the same path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from inferpoint.api import admission
from inferpoint.api.bodies import Bodies
from inferpoint.api.face import Face, Request, Response, Route
from inferpoint.api.headers import OPAQUE_ID, REQUEST_ID, stats_headers
from inferpoint.api.router import Matched, Router
from inferpoint.clock import Clock
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.json_body import JsonBody
from inferpoint.model.requests import RequestStats
from inferpoint.outbound import hops
from inferpoint.outbound.memory import Share
from inferpoint.telemetry.events import Answered, Level
from inferpoint.telemetry.telemetry import Telemetry

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

CLIENT_LEFT = 499
_ELSEWHERE = "-"
_LOG = logging.getLogger(__name__)


class _Names(dict[str, bytes]):
    """The names of headers as bytes; they are few, and each is worked out once."""

    def __missing__(self, name: str) -> bytes:
        self[name] = name.encode("latin-1")
        return self[name]


_NAMES = _Names()


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
        self._telemetry = telemetry
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        began = self._clock.monotonic()
        exchange = _Exchange(scope, receive, send, int(self._clock.now().timestamp()))
        face, route = self._find(exchange)
        try:
            await exchange.answer(await self._answer(exchange, face, route))
        except asyncio.CancelledError:  # the caller left, or a stream outlived the deadline of the shutdown
            exchange.status = CLIENT_LEFT if exchange.left else exchange.status
        finally:
            exchange.close()
            self._tell(exchange, route.pattern if route else _ELSEWHERE, began)

    def _find(self, exchange: _Exchange) -> tuple[Face, Matched | None]:
        """The face that answers, and its routes at that path; without any, the face below whose prefix the path is."""
        for face, router in self._routers:
            if matched := router.find(exchange.path):
                return face, matched
        path = "/" + "".join(f"{segment}/" for segment in exchange.path)
        return next(face for face in self._homes if path.startswith(face.prefix)), None

    async def _answer(self, exchange: _Exchange, face: Face, matched: Matched | None) -> Response:
        request = exchange.request(matched.path_params if matched else {})
        try:
            return face.finish(await self._act(exchange, request, face, matched), request)
        except InferenceError as error:
            failure = error
            _let_go(failure)
        except asyncio.CancelledError:
            if exchange.left:
                raise
            failure = InferenceError(Kind.INTERNAL, "The server was stopped before its answer")
        except Exception:  # noqa: BLE001 - whatever happens, the caller gets an answer and the log the reason
            _LOG.exception("The request [%s] failed", exchange.request_id)
            problem = f"An internal error happened; the log has it under request id [{exchange.request_id}]"
            failure = InferenceError(Kind.INTERNAL, problem)
        exchange.failure = failure
        return face.finish(face.fail(failure, request), request)

    async def _act(self, exchange: _Exchange, request: Request, face: Face, matched: Matched | None) -> Response:
        if self._entrance.guarded:
            admission.refuse_foreign_page(request.headers)
        hops.arrived(request.headers)
        if matched is None:
            raise _unrouted(Kind.NO_ROUTE, face, request)
        route = matched.routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            exchange.allowed = ", ".join(sorted(matched.routes))
            raise _unrouted(Kind.WRONG_METHOD, face, request, exchange.allowed)
        exchange.infers, exchange.watches = route.infers, route.watches
        face.check(request, route)
        body, json = await exchange.body(self._entrance.bodies)
        await self._engine.refresh()
        return await route.act(self._engine, exchange.request(matched.path_params, body, json))

    def _tell(self, exchange: _Exchange, pattern: str, began: float) -> None:
        failure, stats = exchange.failure, exchange.stats
        self._telemetry.answered(
            Answered(
                time=self._clock.now(),
                level=exchange.level,
                request_id=exchange.request_id,
                caller=exchange.caller.name,
                method=exchange.method,
                route=pattern,
                path=exchange.raw_path,
                status=exchange.status,
                seconds=self._clock.monotonic() - began,
                size=exchange.sent,
                opaque_id=exchange.headers.get(OPAQUE_ID, ""),
                client=exchange.client,
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


class _Exchange:
    """One request and its answer over ASGI."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, time: int) -> None:
        self._time = time
        self._receive = receive
        self._send = send
        self._query = scope["query_string"]
        self._task = asyncio.current_task()
        self._read = False
        self._watcher: asyncio.Future[None] | None = None
        self._share: Share | None = None
        self.method: str = scope["method"]
        self.raw_path: str = scope["raw_path"].decode("ascii", "backslashreplace")
        self.path = [unquote(segment) for segment in self.raw_path.split("/") if segment]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.client: str = (scope.get("client") or ("",))[0]
        self.caller = admission.caller(self.headers)
        self.request_id = os.urandom(8).hex()
        self.stats = RequestStats()
        self.infers = self.watches = False
        self.allowed = ""  # the methods of a path that is asked with another
        self.failure: InferenceError | None = None
        self.left = False
        self.status = 0
        self.sent = 0

    @property
    def level(self) -> Level:
        """How much the end of the request matters to who runs the server."""
        if self.watches:
            return Level.DEBUG
        failed = self.status >= 500 or (self.failure is not None and self.failure.is_not_the_callers)
        return Level.ERROR if failed else Level.INFO

    def request(self, path_params: Mapping[str, str], body: bytes = b"", json: JsonBody | None = None) -> Request:
        """The request as a face is asked it."""
        query = dict(parse_qsl(self._query.decode("latin-1"), keep_blank_values=True)) if self._query else {}
        return Request(
            self.method,
            self.raw_path,
            path_params,
            query,
            self.headers,
            body,
            self.caller,
            self.request_id,
            self._time,
            self.stats,
            json,
        )

    async def body(self, bodies: Bodies) -> tuple[bytes, JsonBody]:
        """The whole body, without its encoding, and as JSON; read no further than within the limits of *bodies*."""
        most = bodies.limits.body_bytes
        admission.refuse_large(self.headers, most)
        self._share = bodies.memory.share()
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.left = True
                raise asyncio.CancelledError
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > most:
                raise admission.too_large(most)
            self._share.take(len(pieces[-1]))
            if not message.get("more_body", False):
                break
        self._read = True
        self._watcher = asyncio.ensure_future(self._watch())
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()  # a large body is there once while it is read
        return await bodies.opened(body, self.headers, self._share)

    def close(self) -> None:
        """Stop looking whether the caller has left, and hold nothing of its body any more."""
        if self._share is not None:
            self._share.close()
        if self._watcher is not None:
            self._watcher.cancel()

    async def answer(self, response: Response) -> None:
        """Send *response*."""
        self.status = response.status
        headers = {"content-type": response.content_type, REQUEST_ID: self.request_id, **response.headers}
        if self.infers:
            headers.update(stats_headers(self.stats))
        if self.allowed:
            headers["allow"] = self.allowed
        if response.pieces is None:
            headers["content-length"] = str(len(response.body))
        if not self._read and ("transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"):
            headers["connection"] = "close"  # what was not read must not be taken for the next request
        encoded = [(_NAMES[name], value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": response.status, "headers": encoded})
        if response.pieces is None:
            await self._body(response.body if self.method != "HEAD" else b"", more=False)
            return
        async with contextlib.aclosing(response.pieces):
            try:
                async for piece in response.pieces:
                    if piece:
                        await self._body(piece, more=True)
            except InferenceError as error:  # the caller was told it by the last piece
                self.failure = error
        await self._body(b"", more=False)

    async def _body(self, piece: bytes, *, more: bool) -> None:
        self.sent += len(piece)
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _watch(self) -> None:
        """Cancel what goes on for the caller when it leaves: nothing more is asked of a provider for it."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._task is not None:
            self.left = True
            self._task.cancel()
