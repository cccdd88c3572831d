"""Tokens that calls are signed with: fetched once for all who wait, kept for their lifetime less a minute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote_plus

from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.refusals import failure
from inferpoint.errors import InferenceError, Upstream, kind_of_status
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import Caller, Journey
from inferpoint.model.quota import Rate
from inferpoint.model.settings import HIDDEN
from inferpoint.protocols.service import Grant
from inferpoint.runtime.clock import Clock
from inferpoint.runtime.limiter import Place
from inferpoint.runtime.outbound import Outbound, Outgoing

EARLY_SECONDS = 60.0
FETCH_SECONDS = 30.0
_LONGEST_WORDS = 500
_RETRIED = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class _Kept:
    token: str
    until: float


class Grants:
    """The tokens of all endpoints, each by its endpoint's version: new credentials are a new version."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._coming: dict[str, asyncio.Task[str]] = {}

    async def granted(self, resolved: Resolved, caller: Caller) -> Resolved:
        """*resolved* with the token that its calls need; as it is when they need none."""
        grant = resolved.service.grant
        call = None if grant is None else grant.ask(resolved.endpoint.settings, self._clock.now())
        if grant is None or call is None:
            return resolved
        version = resolved.endpoint.version
        kept = self._kept.get(version)
        if kept is not None and self._clock.monotonic() < kept.until:
            return replace(resolved, token=kept.token)
        coming = self._coming.get(version)
        if coming is None:
            coming = asyncio.ensure_future(self._fetched(resolved, grant, call, caller))
            self._coming[version] = coming
            coming.add_done_callback(lambda done: self._arrived(version, done))
        # Whoever leaves does not take the token away from the others who wait for it.
        return replace(resolved, token=await asyncio.shield(coming))

    def forget(self, resolved: Resolved) -> None:
        """The provider does not take the token of *resolved*: the next who asks gets another."""
        kept = self._kept.get(resolved.endpoint.version)
        if kept is not None and kept.token == resolved.token:
            del self._kept[resolved.endpoint.version]

    async def _fetched(self, resolved: Resolved, grant: Grant[object], call: Call, caller: Caller) -> str:
        outgoing = self._outgoing(resolved, call, caller)
        try:
            reply, _ = await self._outbound.send(outgoing)
            if not 200 <= reply.status < 300:
                raise _refusal(resolved, grant, reply)
            token, seconds = grant.read(reply)
        except InferenceError as error:
            raise failure(resolved, error) from None
        now = self._clock.monotonic()
        self._kept = {version: kept for version, kept in self._kept.items() if now < kept.until}
        until = now + max(seconds - EARLY_SECONDS, seconds / 2)  # of two minutes at the least all but one is used
        self._kept[resolved.endpoint.version] = _Kept(token, until)
        return token

    def _outgoing(self, resolved: Resolved, call: Call, caller: Caller) -> Outgoing:
        def unsigned(call: Call, _now: datetime) -> Call:
            return call

        deadline = self._clock.monotonic() + FETCH_SECONDS
        return Outgoing(
            service=resolved.service.name,
            prepare=lambda: call,
            sign=unsigned,
            place=Place(
                group=f"{resolved.group}/grant",
                rate=Rate(),
                caller=caller,
                inference_id=resolved.endpoint.inference_id,
                service=resolved.service.name,
                deadline=deadline,
            ),
            tokens=lambda: 0,
            deadline=lambda: deadline,
            retried=_RETRIED,
            journey=Journey(),
        )

    def _arrived(self, version: str, done: asyncio.Task[str]) -> None:
        self._coming.pop(version, None)
        if not done.cancelled():
            done.exception()  # it is told to those who wait; when they all have left, nobody misses it


def _refusal(resolved: Resolved, grant: Grant[object], reply: Reply) -> InferenceError:
    """Why there is no token, in the words of who should have given it; never with the secret, however it is written."""
    try:
        said = grant.complaint(reply)
    except InferenceError:
        said = Upstream(reply.status)
    message, kind = (_without(each or "", resolved.secrets) for each in (said.message, said.type))
    reason = (
        "Failed to get an access token for request from inference entity id"
        f" [{resolved.endpoint.inference_id}] status [{reply.status}]"
    )
    if message:
        reason += f". Error message: [{message[:_LONGEST_WORDS]}]"
    upstream = Upstream(reply.status, message[:_LONGEST_WORDS], kind or None)
    return InferenceError(kind_of_status(reply.status), reason, upstream=upstream)


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN).replace(quote_plus(secret), HIDDEN)
    return text
