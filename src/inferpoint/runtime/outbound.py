"""The one way out: a turn in the group's queue, sign, send, and try again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.limiter import Place, Queues
from inferpoint.runtime.telemetry import Called, Telemetry
from inferpoint.runtime.transport import Arriving, Transport

T = TypeVar("T", Reply, Arriving)

ATTEMPTS = 3
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 5.0
LONGEST_ASKED = 86_400.0  # a header may say anything, infinity too; callers are told no more than a day


@dataclass(frozen=True)
class Outgoing:
    """A call with all that its way out needs: whose it is, how it is signed, which statuses are worth another try."""

    service: str
    call: Call
    sign: Callable[[Call, datetime], Call]
    place: Place
    retried: frozenset[int]


class Outbound:
    """Sends calls by the transport of their address's scheme."""

    def __init__(
        self, transports: Mapping[str, Transport], limiter: Queues, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._transports = transports
        self._limiter = limiter
        self._clock = clock
        self._telemetry = telemetry

    async def send(self, outgoing: Outgoing) -> Reply:
        """The whole reply, whatever its status; `CUT_OFF` when there is none."""
        return await self._try(outgoing, _whole)

    async def open(self, outgoing: Outgoing) -> Arriving:
        """A reply that has begun; from then on nothing is tried again. Whoever takes it must close it."""
        return await self._try(outgoing, _begun)

    async def _try(self, outgoing: Outgoing, take: Callable[[Arriving], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            await self._limiter.turn(outgoing.place, lambda: 0)
            try:
                reply = await self._attempt(outgoing, take)
            except InferenceError as error:
                if error.kind is not Kind.CUT_OFF or not await self._pause(outgoing, attempt, {}):
                    raise
            else:
                if not await self._again(outgoing, attempt, reply):
                    return reply
            attempt += 1

    async def _again(self, outgoing: Outgoing, attempt: int, reply: Reply | Arriving) -> bool:
        """Whether to try again, after the pause; a reply that is not taken is closed, also when its caller leaves."""
        if reply.status not in outgoing.retried:
            return False
        taken = False
        try:
            taken = not await self._pause(outgoing, attempt, reply.headers)
        finally:
            if not taken and not isinstance(reply, Reply):
                reply.close()
        return not taken

    async def _attempt(self, outgoing: Outgoing, take: Callable[[Arriving], Awaitable[T]]) -> T:
        transport = self._transports[outgoing.call.url.partition(":")[0].lower()]
        began = self._clock.monotonic()
        status = 0
        try:
            arriving = await transport.send(outgoing.sign(outgoing.call, self._clock.now()))
            status = arriving.status
            try:
                return await take(arriving)
            except BaseException:
                arriving.close()
                raise
        finally:
            self._telemetry.called(Called(outgoing.service, status, self._clock.monotonic() - began))

    async def _pause(self, outgoing: Outgoing, attempt: int, headers: Mapping[str, str]) -> bool:
        """Wait before the next attempt; False at once when there is none, or none before the deadline."""
        if attempt >= ATTEMPTS:
            return False
        seconds = pause(attempt, asked_to_wait(headers, self._clock.now()), random.uniform)
        deadline = outgoing.place.deadline
        if deadline is not None and self._clock.monotonic() + seconds >= deadline:
            return False
        await self._clock.sleep(seconds)
        return True


async def _whole(arriving: Arriving) -> Reply:
    return await arriving.read()


async def _begun(arriving: Arriving) -> Arriving:
    return arriving


def pause(attempt: int, asked: float, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after the n-th attempt: Elasticsearch's doubling with jitter, and never less than was *asked*."""
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
    return max(uniform(bound / 2, bound), asked)


def asked_to_wait(headers: Mapping[str, str], now: datetime) -> float:
    """What a reply asks for, in seconds: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date; else 0.

    At most a day, infinity included.
    """
    milliseconds, text = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    seconds = 0.0
    try:
        if milliseconds:
            seconds = float(milliseconds) / 1000
        elif text.replace(".", "", 1).isdigit():
            seconds = float(text)
        else:
            seconds = (parsedate_to_datetime(text).astimezone(UTC) - now).total_seconds() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(seconds, LONGEST_ASKED) if seconds > 0 else 0.0  # not a number is not more than 0
