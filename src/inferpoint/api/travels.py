"""What an inference came to, told in headers whatever the face and the answer."""

from __future__ import annotations

from inferpoint.model.inference import Journey


def travelled(journey: Journey) -> dict[str, str]:
    """The headers that tell of *journey*: its calls, times in whole milliseconds, and `known/asked` of a cache.

    Those of a stream are sent with its first piece, and tell what is known by then.
    """
    headers = {
        "x-inferpoint-calls": str(journey.calls),
        "x-inferpoint-attempts": str(journey.attempts),
        "x-inferpoint-queue-ms": str(round(journey.queued * 1000)),
        "x-inferpoint-upstream-ms": str(round(journey.upstream * 1000)),
    }
    if journey.known is not None:
        headers["x-inferpoint-cache"] = f"{journey.known}/{journey.asked}"
    return headers
