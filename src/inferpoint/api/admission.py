"""The conditions of entry: the caller, the `Host` and `Origin` it came by, the size of its body."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model.http import is_loopback
from inferpoint.model.requests import ANONYMOUS, Caller


def caller(_headers: Mapping[str, str]) -> Caller:
    """The caller of a request: anonymous, until keys are configured; an `Authorization` header is not looked at."""
    return ANONYMOUS


def refuse_foreign_page(headers: Mapping[str, str]) -> None:
    """`FORBIDDEN` when a browser's page from elsewhere asks, on a server that only this machine may reach.

    A page whose name was made to mean this machine (DNS rebinding) is known by its `Host`, any other by its `Origin`.
    Without both it is no browser that asks, but for example a health check over HTTP/1.0.
    """
    if "host" not in headers and "origin" not in headers:
        return
    host = headers.get("host", "")
    if not _is_here(host):
        raise InferenceError(Kind.FORBIDDEN, f"The host [{host}] is not this machine; --insecure opens the server")
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise InferenceError(Kind.FORBIDDEN, f"The origin [{origin}] may not use this server")


def too_large(most: int) -> InferenceError:
    """A body larger than *most* bytes."""
    return InferenceError(Kind.TOO_LARGE, f"The request body is larger than [{most}] bytes")


def decoded(body: bytes, encoding: str, most: int) -> bytes:
    """*body* without its content encoding, of which gzip is taken; `TOO_LARGE` when it unpacks to more than *most*."""
    if not body or encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise invalid(f"Content-Encoding header [{encoding}] is not supported", subject=Subject.MEDIA_TYPE)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise invalid("[1:1] the body is not gzip", subject=Subject.BODY) from None
    if len(unpacked) > most:
        raise too_large(most)
    if not unpacker.eof or unpacker.unused_data:
        raise invalid("[1:1] the body is not one whole gzip member", subject=Subject.BODY)
    return unpacked


@lru_cache(256)
def _is_here(host: str) -> bool:
    """Whether a `Host` header names this machine."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
