"""How many servers of this kind a request came through: endpoints may name each other's servers, round and round."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from inferpoint.errors import invalid

HEADER = "x-inferpoint-hop"
PRODUCT = "inferpoint/"  # begins the user agent of every call, unless the call has its own
MOST = 4

_passed: ContextVar[int] = ContextVar("passed", default=0)


def arrived(headers: Mapping[str, str]) -> None:
    """Remember, for all that is done for the request of *headers*, what it passed; `INVALID` after more than 4.

    A first call tells by its user agent that it comes from a server, those that follow by a header.
    """
    text = headers.get(HEADER, "")
    told = int(text) if text.isdecimal() and len(text) < 4 else MOST + 1 if text else 0
    passed = max(told, headers.get("user-agent", "").startswith(PRODUCT))
    if passed > MOST:
        raise invalid(f"The request came through more than {MOST} servers of this kind: an endpoint leads back")
    if passed:
        _passed.set(passed)


passed = _passed.get  # how many servers were passed by the request for which a call is made now
