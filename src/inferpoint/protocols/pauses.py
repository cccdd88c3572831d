"""When to come again, as a provider tells it in the body of a refusal and not in a header."""

from __future__ import annotations

import re

from inferpoint.model.http import Reply
from inferpoint.protocols.rate_headers import duration

_STATUSES = (429, 503)
_LONGEST = 16 * 1024  # bytes; no refusal is longer
_TOLD = re.compile(
    rb"""
    "retryDelay\\*"\s*:\s*\\*"(?P<google>[0-9.]{1,20}s)\b  # google.rpc.RetryInfo; a gateway may quote its JSON
    | "estimated_time"\s*:\s*(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)\b  # of Hugging Face, until a model is loaded
    | \b(?:try\ again|retry)\ (?:in|after)\ (?:about\ )?
      (?:(?P<duration>(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s))+)\b  # 1m2.5s, of OpenAI and Groq
      | (?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\ ?(?P<unit>milliseconds?|seconds?|minutes?|hours?)\b)  # of Azure
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UNITS = {b"mil": "ms", b"sec": "s", b"min": "m", b"hou": "h"}


def told(reply: Reply) -> float | None:
    """The seconds after which a refused call may come again; None where the body tells none, or the reply is another.

    Read are the words of whoever limits, as each of the providers' guides to their limits has them.
    """
    if reply.status not in _STATUSES or len(reply.body) > _LONGEST:
        return None
    match = _TOLD.search(reply.body)
    if match is None:
        return None
    if match["number"]:
        return duration(f"{match['number'].decode()}{_UNITS[match['unit'][:3].lower()]}")
    return duration((match["google"] or match["duration"] or match["seconds"] + b"s").decode().lower())
