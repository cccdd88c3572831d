"""HTTP as plain values: a call that has not been sent, a reply that came back, one event of a stream."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from inferpoint.errors import InferenceError, Kind

T = TypeVar("T")
# Errors of what decodes bytes that are not JSON, or JSON that is deeper than the stack.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_NUMBER = re.compile(rb"-?\b(?:NaN|nan|Infinity|inf)\b")
_STRING_OR_NO_NUMBER = re.compile(rb'("(?:[^"\\]|\\.)*"?)|' + _NO_NUMBER.pattern, re.DOTALL)


class Call(msgspec.Struct, frozen=True):
    """A request to a provider. Its repr shows the method and where it goes only: all else may hold secrets."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"

    def __repr__(self) -> str:
        return f"Call({self.method} {shown(self.url)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The method and where it goes, which `rich` shows in place of all members."""
        return [("method", self.method), ("url", shown(self.url))]

    def with_headers(self, headers: Mapping[str, str]) -> Call:
        """A copy of the call with more headers; names are written in lower case."""
        return Call(self.url, self.body, {**self.headers, **headers}, self.method)


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The *members* of a JSON object that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def json_call(url: str, body: Mapping[str, Any]) -> Call:
    """A POST of *body* as JSON, without members that are None."""
    return Call(url, msgspec.json.encode(present(body), enc_hook=_plain), {"content-type": "application/json"})


def _plain(value: Any) -> str:
    """A text of a class of its own, as a named credential is; TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"A call cannot hold a {type(value).__name__}")
    return str(value)


class Reply(msgspec.Struct, frozen=True):
    """A provider's whole response; header names are in lower case.

    One of a `neighbour` came from an address that is not global, where whoever names it may have no business.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    neighbour: bool = False

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The status and the size, which `rich` shows in place of all members."""
        return [("status", self.status), ("bytes", len(self.body))]


class Event(msgspec.Struct, frozen=True):
    """One framed message of a streaming body: its data and, where the framing names events, its name."""

    data: bytes
    name: str = ""


def parse(data: bytes, shape: type[T], *, of: str) -> T:
    """Read *data* as *shape*; anything else is `UNREADABLE`, said of *of* (such as "OpenAI embeddings response").

    Numbers that JSON has no word for, which programs in Python and C++ write nevertheless, are read as null.
    """
    try:
        return msgspec.json.decode(data, type=shape)
    except NOT_JSON as error:
        if _NO_NUMBER.search(data):
            nulls = _STRING_OR_NO_NUMBER.sub(lambda match: match[1] or b"null", data)
            if nulls != data:
                return parse(nulls, shape, of=of)
        reason = "the body is empty" if not data.strip() else str(error)
        raise unreadable(of, reason) from None


def unreadable(of: str, reason: object) -> InferenceError:
    """The error for *of* (such as "OpenAI embeddings response") that cannot be read for *reason*."""
    return InferenceError(Kind.UNREADABLE, f"Failed to read the {of}: {reason}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*, a name or an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(1024)
def address(url: str) -> str:
    """Where *url* leads, as `scheme://host:port`, without user, path and query; in our own process its scheme alone."""
    scheme, there, rest = url.partition("://")
    if not there:
        return f"{url.partition(':')[0].lower()}:"
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return f"{scheme.lower()}://{authority.rpartition('@')[2].lower()}"


@lru_cache(1024)
def scheme(url: str) -> str:
    """What *url* begins with, in lower case: `http`, `https`, or the name of what answers in our own process."""
    return url.partition(":")[0].lower()


def shown(url: str) -> str:
    """*url* without what may be secret: user, parameters and fragment."""
    path = url.partition("?")[0].partition("#")[0].partition("://")[2].partition("/")[2]
    return f"{address(url)}/{path}" if "://" in url else url.partition("?")[0]
