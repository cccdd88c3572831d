"""Tokens that calls are signed with: fetched once for all who wait, kept for their lifetime less a minute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec.structs import replace
from typing_extensions import override

from inferpoint.calls import provider_errors
from inferpoint.calls.refusals import refused
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Upstream, kind_of_status
from inferpoint.model.deadline import Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Cost, Lane, Rate
from inferpoint.model.requests import Caller, RequestStats
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.ticket import Job, Refusal, Ticket
from inferpoint.protocols.service import Grant
from inferpoint.tasks import Tasks

EARLY_SECONDS = 60.0
FETCH_SECONDS = 30.0
_LONGEST_WORDS = 500


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
        self._tasks = Tasks()

    async def token(self, resolved: Resolved, caller: Caller, origin: str) -> str:
        """The token that calls of *resolved* need, fetched at *origin*; empty when they need none."""
        grant, version = resolved.service.grant, resolved.endpoint.version
        if grant is None:
            return ""
        kept = self._kept.get(version)
        if kept is not None and self._clock.monotonic() < kept.until:
            return kept.token
        coming = self._coming.get(version)
        if coming is None:
            call = grant.ask(resolved.endpoint.settings, self._clock.now(), origin)
            if call is None:
                return ""
            anybody = replace(caller, limits=None)  # the token is for all who wait for it
            job = TokenJob(resolved, call, anybody, self._clock.monotonic())
            coming = self._coming[version] = self._tasks.start(self._fetched(grant, job))
            coming.add_done_callback(lambda done: self._arrived(version, done))
        # Whoever leaves does not take the token away from the others who wait for it.
        return await asyncio.shield(coming)

    def forget(self, resolved: Resolved, token: str) -> None:
        """Fetch another token when one is asked for again: the provider does not take *token*."""
        kept = self._kept.get(resolved.endpoint.version)
        if kept is not None and kept.token == token:
            del self._kept[resolved.endpoint.version]

    async def close(self) -> None:
        """Fetch nothing any more."""
        await self._tasks.close()

    async def _fetched(self, grant: Grant[object], job: TokenJob) -> str:
        resolved = job.resolved
        try:
            answer = await self._outbound.send(job)
            if isinstance(answer, Refusal):
                raise refused(answer, job.ticket(ahead=True), resolved.endpoint.inference_id)
            reply, permit = answer
            permit.release()
            if not 200 <= reply.status < 300:
                raise _refusal(resolved, grant, reply)
            token, seconds = grant.read(reply)
        except InferenceError as error:
            raise provider_errors.public(resolved, error, resolved.secrets) from None
        now = self._clock.monotonic()
        self._kept = {version: kept for version, kept in self._kept.items() if now < kept.until}
        until = now + max(seconds - EARLY_SECONDS, seconds / 2)  # of two minutes at the least all but one is used
        self._kept[resolved.endpoint.version] = _Kept(token, until)
        return token

    def _arrived(self, version: str, done: asyncio.Task[str]) -> None:
        self._coming.pop(version, None)
        if not done.cancelled():
            done.exception()  # it is told to those who wait; when they all have left, nobody misses it


class TokenJob(Job):
    """The call that fetches a token, and carries what authorizes it; its queue has no limit."""

    def __init__(self, resolved: Resolved, call: Call, caller: Caller, now: float) -> None:
        self.resolved = resolved
        self.service = resolved.service.name
        self.group = f"{resolved.group}/grant"
        self.lane = Lane.OTHER
        self.stats = RequestStats()
        self._call = call
        self.caller = caller
        self._deadline = Deadline(now + FETCH_SECONDS, FETCH_SECONDS)

    @override
    def ticket(self, *, ahead: bool) -> Ticket:
        endpoint = self.resolved.endpoint.inference_id
        return Ticket(
            self.group, Rate(), self.caller, self.lane, self.service, self._deadline, ahead, endpoint=endpoint
        )

    @override
    def cost(self) -> Cost:
        return Cost()

    @override
    def deadline(self) -> Deadline:
        return self._deadline

    @override
    def call(self) -> Call:
        return self._call


def _refusal(resolved: Resolved, grant: Grant[object], reply: Reply) -> InferenceError:
    """Why there is no token, in the words of who should have given it, without secrets."""
    try:
        complaint = grant.complaint(reply)
    except InferenceError:
        complaint = Upstream(reply.status)
    upstream = provider_errors.hidden(complaint, resolved.secrets, _LONGEST_WORDS)
    reason = provider_errors.worded("Failed to get an access token", resolved, upstream, status=reply.status)
    return InferenceError(kind_of_status(reply.status), reason, upstream=upstream)
