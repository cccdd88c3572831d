"""A call as the bytes of an HTTP/1.1 request, and by which of its parts a kept connection may serve it."""

from __future__ import annotations

import re

from inferpoint.model.http import Call
from inferpoint.outbound.http.target import Target

# Who a connection belongs to: an origin, a query, and the values of all headers that may tell who calls.
Owner = tuple[str, ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL = re.compile(
    r"auth|key|token|secret|credential|cookie|session|account|project|organi[sz]ation", re.IGNORECASE
)
_ILLEGAL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SIGNATURE = "Signature="
_BODILESS = ("GET", "DELETE")


def request(target: Target, call: Call, standard: dict[str, str]) -> tuple[Owner, bytes]:
    """The owner of the connection that *call* may be sent on, and the request's head.

    The headers are the *standard* ones and the target's, each unless the call has its own. `ValueError` when one holds
    what cannot be written.
    """
    owner = (target.origin, target.query)
    head = f"{call.method} {target.path} HTTP/1.1\r\n"
    headers = {**target.headers, **standard, **call.headers}
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


class _CredentialNames(dict[str, bool]):
    """Whether a header of a name may tell who calls, remembered; `ValueError` for what is no name."""

    _MOST = 1000  # users name headers

    def __missing__(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            raise ValueError
        if len(self) >= self._MOST:
            self.clear()
        tells = self[name] = _CREDENTIAL.search(name) is not None and name.lower() != "idempotency-key"
        return tells


_CREDENTIALS = _CredentialNames()
