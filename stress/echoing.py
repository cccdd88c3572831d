"""An application that says what it was asked, for the HTTP server to be tried with."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.heads import Refusal
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.server import HttpServer

LARGE = 4_000_000


class Echo:
    """Answers with the method, the path, the query and the digest of the body.

    `/pieces` has it in pieces, `/large` much more of it, `/unread` is answered before its body is read, and `/never`
    not at all. `refusals` are the reasons for which something was no request, `left` counts callers that have gone.
    """

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.left = 0
        self.answered = 0

    async def __call__(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        except InferenceError as error:
            await exchange.answer(408 if error.kind is Kind.TIMED_OUT else 400, {}, str(error).encode())
            return
        except asyncio.CancelledError:
            self.left += exchange.left
            raise
        self.answered += 1

    def refused(self, client: str, refusal: Refusal) -> bytes:
        self.refusals.append(refusal)
        return json.dumps({"error": refusal.reason, "client": client}).encode()

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.path == "/never":
            await asyncio.get_running_loop().create_future()
        body = b""
        while exchange.path != "/unread":
            body += exchange.take()
            if exchange.whole:
                break
            await exchange.more()
        told = echo(exchange.method, exchange.path, exchange.query, body)
        if exchange.path == "/large":
            told = told.ljust(LARGE)
        if exchange.path != "/pieces":
            await exchange.answer(200, {"content-type": "application/json"}, told)
            return
        exchange.begin(200, {"content-type": "application/json"})
        for place in range(0, len(told), 10):
            await exchange.send(told[place : place + 10])
        await exchange.end()


def echo(method: str, path: str, query: str, body: bytes) -> bytes:
    """The one right answer."""
    told: dict[str, Any] = {"method": method, "path": path, "query": query, "size": len(body)}
    return json.dumps({**told, "digest": hashlib.sha256(body).hexdigest()}).encode()


def server(echoing: Echo, limits: ConnectionLimits | None = None) -> HttpServer:
    """A server of *echoing* that stops at once."""
    limits = limits or ConnectionLimits(shutdown_seconds=5)
    return HttpServer(echoing, limits, [("x-product", "p")], frozenset({"/exempt"}))
