"""A call as the bytes of an HTTP/1.1 request, and by which of its parts a kept connection may serve it."""

from __future__ import annotations

import re
from functools import lru_cache

from inferpoint.model.http import Call
from inferpoint.outbound.hops import HEADER, passed
from inferpoint.outbound.http.target import Target

# Who a connection belongs to: an origin, a query, and the values of all headers that may tell who calls.
Owner = tuple[str, ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL = re.compile(r"auth|key|token|secret|credential|cookie|session|account|project|organi[sz]ation")
_ILLEGAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_KEY = "idempotency-key"  # of one request, not of who makes it
_SIGNATURE = "Signature="
_BODILESS = ("GET", "DELETE")


def request(target: Target, call: Call, agent: str) -> tuple[Owner, bytes]:
    """The owner of the connection that *call* may be sent on, and the request's head.

    The headers are the target's and those of every call, each unless the call has its own; *agent* is the user agent.
    `ValueError` when one holds what cannot be written.
    """
    owner, head = _begun(target, call.method, (*call.headers.items(),), agent, passed())
    if call.body or call.method not in _BODILESS:
        return owner, b"%bcontent-length: %d\r\n\r\n" % (head, len(call.body))
    return owner, head + b"\r\n"


@lru_cache(256)  # the calls of an endpoint have the same headers, unless each is signed anew
def _begun(target: Target, method: str, own: tuple[tuple[str, str], ...], agent: str, hops: int) -> tuple[Owner, bytes]:
    """The owner and the head, without the length of the body."""
    headers = {**target.headers, "accept-encoding": "identity", "user-agent": agent}
    for name, value in own:
        headers[_name(name)] = value
    if hops or headers["user-agent"] != agent:
        headers[HEADER] = str(hops + 1)
    if _ILLEGAL.search("".join(headers.values())):
        raise ValueError
    credentials = [value for name, value in headers.items() if name != _KEY and _CREDENTIAL.search(name)]
    lines = [f"{method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), ""]
    return (target.origin, target.query, *map(_lasting, credentials)), "\r\n".join(lines).encode()


def _name(name: str) -> str:
    """The *name* of a header in lower case; `ValueError` for what is none."""
    if not _NAME.fullmatch(name):
        raise ValueError
    return name.lower()


def _lasting(value: str) -> str:
    """What does not change of a credential that signs each call anew: whose it is, and what it is for."""
    return value.partition(_SIGNATURE)[0]
