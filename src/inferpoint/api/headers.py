"""Headers beyond HTTP's own, each name in this one place: the cost of an inference, and when to ask again."""

from __future__ import annotations

import math

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import RequestStats

REQUEST_ID = "x-request-id"
OPAQUE_ID = "x-opaque-id"  # what a caller calls its request; it comes back as it came
TRUNCATED = "x-inferpoint-truncated"  # how many inputs were shortened to fit the model
FAILED = "x-inferpoint-failed"  # how many inputs of a partial request have an error
DROPPED = "x-inferpoint-dropped"  # the hints that the provider has no place for
CALLS = "x-inferpoint-calls"  # that a request took
TOKENS = "x-inferpoint-{}-tokens"
ERROR = "x-inferpoint-error"  # the kind of an error, which no face's status tells exactly
KIND = "kind"  # the same as a member of an error that stands in an answer, where no header can tell it
_RETRY_AFTER = "retry-after"
_LONGEST_RETRY = 60.0  # seconds for which the makers' clients wait at most
_SHOULD_RETRY = "x-should-retry"
_AUTHENTICATE = "www-authenticate"
_FORMS = 'ApiKey, Bearer realm="inferpoint", Basic realm="inferpoint", charset="UTF-8"'


def stats_headers(stats: RequestStats) -> dict[str, str]:
    """The headers of an inference: its calls, times in whole milliseconds, and `known/asked` of a cache.

    Those of a stream are sent with its first piece, and tell what is known by then. Beside them is what a provider told
    in headers of its own.
    """
    headers = {
        **stats.told,
        CALLS: f"{stats.calls}",
        "x-inferpoint-attempts": f"{stats.attempts}",
        "x-inferpoint-queue-ms": f"{stats.queued * 1000:.0f}",
        "x-inferpoint-upstream-ms": f"{stats.upstream * 1000:.0f}",
    }
    if stats.dropped:
        headers[DROPPED] = ", ".join(sorted(stats.dropped))
    if stats.known is not None:
        headers["x-inferpoint-cache"] = f"{stats.known}/{stats.asked}"
    return headers


def error_headers(error: InferenceError) -> dict[str, str]:
    """The kind of an error; how to say who asks, where nobody knows; and when to ask again, where the error says it.

    That is in whole seconds, and at least one.
    """
    headers = {ERROR: error.kind.value}
    if error.kind is Kind.UNAUTHENTICATED and error.upstream is None:
        headers[_AUTHENTICATE] = _FORMS
    if error.retry_after is not None:
        headers[_RETRY_AFTER] = str(max(1, math.ceil(error.retry_after)))
    return headers


def retry_headers(error: InferenceError, status: int) -> dict[str, str]:
    """When and whether to ask again, as the makers' own clients are told.

    Those clients repeat 408, 409, 429 and all from 500 on, unless a header says otherwise. A full queue of ours costs
    nothing to ask twice, nor does a provider that is overloaded; a provider's work may be paid for twice. Of a budget
    that is used up nothing is there within the time that they would wait.
    """
    headers = error_headers(error)
    if error.upstream is None and error.kind in (Kind.RATE_LIMITED, Kind.OVERLOADED):
        spent = error.whose_limit == "key" and (error.retry_after or 0.0) > _LONGEST_RETRY
        headers[_SHOULD_RETRY] = "false" if spent else "true"
    elif error.kind is not Kind.OVERLOADED and (status in (408, 409) or status >= 500):
        headers[_SHOULD_RETRY] = "false"
    return headers
