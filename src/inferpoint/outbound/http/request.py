"""A call as the bytes of an HTTP/1.1 request, and by which of its parts a kept connection may serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from inferpoint.model.http import Call
from inferpoint.outbound.hops import HEADER, passed
from inferpoint.outbound.http.target import Target

# Who a connection belongs to: an origin, a query, and the values of all headers that may tell who calls.
Owner = tuple[str, ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL = re.compile(r"auth|key|token|secret|credential|cookie|session|account|project|organi[sz]ation")
_ILLEGAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MOST_NAMES = 1000  # users name headers
_SIGNATURE = "Signature="
_BODILESS = ("GET", "DELETE")


def request(target: Target, call: Call, standard: Mapping[str, str]) -> tuple[Owner, bytes]:
    """The owner of the connection that *call* may be sent on, and the request's head.

    The headers are the target's and the *standard* ones, each unless the call has its own. `ValueError` when one holds
    what cannot be written.
    """
    headers = {**target.headers, **standard}
    for name, value in call.headers.items():
        headers[_NAMES[name]] = value
    hops = passed()
    if hops or headers["user-agent"] != standard["user-agent"]:
        headers[HEADER] = str(hops + 1)
    owner = (target.origin, target.query)
    head = f"{call.method} {target.path} HTTP/1.1\r\n"
    for name, value in headers.items():
        head += f"{name}: {value}\r\n"
        if _CREDENTIALS[name]:
            owner += (_lasting(value) if _SIGNATURE in value else value,)
    if _ILLEGAL.search("".join(headers.values())):
        raise ValueError
    if call.body or call.method not in _BODILESS:
        head += f"content-length: {len(call.body)}\r\n"
    return owner, f"{head}\r\n".encode()


def _lasting(value: str) -> str:
    """What does not change of a credential that signs each call anew: whose it is, and what it is for."""
    return value.partition(_SIGNATURE)[0]


class _Names(dict[str, str]):
    """The names of headers in lower case, remembered; `ValueError` for what is none."""

    def __missing__(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError
        if len(self) >= _MOST_NAMES:
            self.clear()
        text = self[name] = name.lower()
        return text


class _CredentialNames(dict[str, bool]):
    """Whether a header of a name may tell who calls, remembered."""

    def __missing__(self, name: str) -> bool:
        if len(self) >= _MOST_NAMES:
            self.clear()
        tells = self[name] = _CREDENTIAL.search(name) is not None and name != "idempotency-key"
        return tells


_NAMES = _Names()
_CREDENTIALS = _CredentialNames()
