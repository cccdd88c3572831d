"""How many servers of this kind a request came through: endpoints may name each other's servers, round and round."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from inferpoint.errors import invalid

HEADER = "x-inferpoint-hop"
PRODUCT = "inferpoint/"  # begins the user agent of every call, unless the call has its own
MOST = 4

_passed: ContextVar[int] = ContextVar("passed", default=0)


def told(headers: Mapping[str, str]) -> int:
    """How many servers the request of *headers* came through; `INVALID` for more than 4.

    A first call tells by its user agent that it comes from a server, those that follow by a header.
    """
    text = headers.get(HEADER, "")
    count = int(text) if text.isdecimal() and len(text) < 4 else MOST + 1 if text else 0
    count = max(count, headers.get("user-agent", "").startswith(PRODUCT))
    if count > MOST:
        raise invalid(f"The request came through more than {MOST} servers of this kind: an endpoint leads back")
    return count


def arrived(count: int) -> None:
    """Remember, for all that is done for a request, that it came through *count* servers."""
    if count:
        _passed.set(count)


passed = _passed.get  # how many servers were passed by the request for which a call is made now
