"""What the makers' own clients are told of asking again: they repeat 408, 409, 429 and all from 500 on, unless told."""

from __future__ import annotations

from inferpoint.errors import InferenceError, Kind

PROVIDER_FAILED = 502


def status(error: InferenceError, ours: int) -> int:
    """The HTTP status: a provider's own below 500, 502 for what else it says, *ours* when it said nothing."""
    if error.upstream is None:
        return ours
    return error.upstream.status if 400 <= error.upstream.status < 500 else PROVIDER_FAILED


def headers(error: InferenceError, status: int) -> dict[str, str]:
    """When to ask again. A full queue of ours costs nothing to ask twice; a provider's work may be paid for twice."""
    found: dict[str, str] = {}
    if error.retry_after is not None:
        found["retry-after"] = str(max(1, round(error.retry_after + 0.5)))
    if error.upstream is None and error.kind in (Kind.RATE_LIMITED, Kind.OVERLOADED):
        found["x-should-retry"] = "true"
    elif status in (408, 409) or status >= 500:
        found["x-should-retry"] = "false"
    return found
