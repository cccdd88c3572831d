"""Bodies of requests: unpacked, measured and decoded within limits; off the event loop where that takes time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from inferpoint.api import admission
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.exchange import Exchange
from inferpoint.model.json_body import JsonBody, decoded, measured
from inferpoint.model.limits import Limits
from inferpoint.outbound.memory import Memory, Share

_SMALL = 4096  # bytes; what many requests hold of this size is bounded by how many they are
_LARGE = 64 * 1024  # what takes longer than a millisecond leaves the event loop
_LARGE_PACKED = 1024
_ANY_RATIO = 1024 * 1024  # what unpacks to no more may have been packed as well as it could


class Bodies:
    """Opens the bodies of all requests, which hold what they take of the *memory*."""

    def __init__(self, limits: Limits, memory: Memory) -> None:
        self.limits = limits
        self.memory = memory
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="bodies")

    def close(self) -> None:
        """Give up what waits and let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def at_once(self, exchange: Exchange) -> tuple[bytes, JsonBody] | None:
        """The body of *exchange* and what it is as JSON, where it is plain, small, and there; None for any other."""
        size, limits, memory = exchange.received, self.limits, self.memory
        if (
            not exchange.whole
            or size > _SMALL
            or size > limits.body_values
            or size > limits.body_bytes
            or memory.held + size > memory.most
            or "content-encoding" in exchange.headers
        ):
            return None
        body = exchange.take()
        return body, decoded(body)

    async def read(self, exchange: Exchange, share: Share) -> tuple[bytes, JsonBody]:
        """The body of *exchange*, without its content encoding, and what it is as JSON; *share* holds what it takes.

        `TOO_LARGE` beyond a limit. Bytes that are no JSON are told to who reads them as JSON.
        """
        most = self.limits.body_bytes
        if exchange.length > most:
            raise admission.too_large(most)
        pieces: list[bytes] = []
        while True:
            pieces.append(exchange.take())
            if exchange.received > most:
                raise admission.too_large(most)
            share.take(len(pieces[-1]))
            if exchange.whole:
                break
            await exchange.more()
        body = b"".join(pieces)
        pieces.clear()  # a large body is there once while it is read
        encoding = exchange.headers.get("content-encoding", "").strip().lower()
        if len(body) <= (_LARGE_PACKED if encoding else _LARGE):
            return self._opened(body, encoding, share)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._opened, body, encoding, share)

    def _opened(self, packed: bytes, encoding: str, share: Share) -> tuple[bytes, JsonBody]:
        limits = self.limits
        most = min(limits.body_bytes, max(_ANY_RATIO, limits.gzip_ratio * len(packed)))
        body = admission.decoded(packed, encoding, most)
        if body is not packed:
            share.take(len(body))
        if len(body) <= min(_LARGE, limits.body_values):
            return body, decoded(body)
        measure = measured(body)
        if measure.values > limits.body_values:
            problem = (
                f"The request body has [{measure.values}] values, more than the [{limits.body_values}] that are read"
            )
            raise InferenceError(Kind.TOO_LARGE, problem)
        share.take(measure.built)
        return body, decoded(body, measure)
