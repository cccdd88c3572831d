"""Replies to a job: read as far as they are wanted, and what a refusal says of another attempt."""

from __future__ import annotations

import math

from msgspec.structs import replace

from inferpoint.errors import InferenceError
from inferpoint.model.http import Reply
from inferpoint.outbound.ticket import Job
from inferpoint.outbound.transport import Arriving

_WHEN = "retry-after-ms"


def is_final(job: Job, reply: Reply) -> bool:
    """Whether *reply*, a refusal, says that another attempt is in vain."""
    return reply.headers.get("x-should-retry", "").lower() == "false" or job.is_final(reply)


def telling_when(reply: Reply, pause: float) -> Reply:
    """The refusal *reply* with when to come again: after the *pause* of its queue, where the provider did not say."""
    if not pause or _says_when(reply):
        return reply
    return replace(reply, headers={**reply.headers, "retry-after": str(math.ceil(pause))})


def _says_when(reply: Reply) -> bool:
    return "retry-after" in reply.headers or _WHEN in reply.headers


async def read(job: Job, arriving: Arriving, *, whole: bool) -> Reply | Arriving:
    """A good reply, read when it is to be *whole*, or is no stream; a refusal always, without words if need be.

    A good reply that holds an error has the status of that error; a refusal whose body tells when to come again says so
    in a header.
    """
    good = 200 <= arriving.status < 300
    if good and not whole and not arriving.headers.get("content-type", "").startswith("application/json"):
        return arriving
    try:
        reply = await arriving.read()
    except InferenceError:
        if good:
            raise
        return Reply(arriving.status, headers=arriving.headers, neighbour=arriving.neighbour)
    finally:
        arriving.close()
    status = job.status(reply)
    if 200 <= status < 300:
        return reply
    refusal = reply if status == reply.status else replace(reply, status=status)
    pause = None if _says_when(refusal) else job.pause(refusal)
    return refusal if pause is None else replace(refusal, headers={**refusal.headers, _WHEN: f"{pause * 1000:.0f}"})
