"""Signing a call, as pure functions of the call, the settings and the moment."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from inferpoint.model.http import Call
from inferpoint.protocols.service import Moment

Sign = Callable[[Call, Any, Moment], Call]

_ALGORITHM = "AWS4-HMAC-SHA256"
# These change on the way, so AWS's own SDKs leave them out too.
_UNSIGNED = frozenset({
    "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
    "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
})  # fmt: skip
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def bearer(call: Call, settings: Any, moment: Moment) -> Call:
    """`Authorization: Bearer` with the grant's token, or else the setting `api_key`, if any (RFC 6750)."""
    key = moment.token or settings.api_key
    return call.with_headers({"authorization": f"Bearer {key}"}) if key else call


def header(name: str) -> Sign:
    """The setting `api_key` as it is, in the header *name*."""

    def sign(call: Call, settings: Any, _moment: Moment) -> Call:
        return call.with_headers({name: settings.api_key})

    return sign


def unsigned(call: Call, _settings: Any, _moment: Moment) -> Call:
    """The call as it is, for providers that ask for no key."""
    return call


def sigv4(service: str) -> Sign:
    """AWS Signature Version 4 for *service*, with the settings `access_key`, `secret_key` and `region`.

    The path is taken as it goes over the wire and encoded once more, as every AWS service but S3 does. The host is the
    one that is called, wherever an endpoint was moved to.
    """

    def sign(call: Call, settings: Any, moment: Moment) -> Call:
        stamp = moment.time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{settings.region}/{service}/aws4_request"
        headers = _signed_headers(call, stamp)
        request = hashlib.sha256(_canonical(call, headers).encode()).hexdigest()
        signature = _keyed(f"AWS4{settings.secret_key}", scope, f"{_ALGORITHM}\n{stamp}\n{scope}\n{request}")
        names = ";".join(headers)
        credential = f"Credential={settings.access_key}/{scope}"
        authorization = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
        return call.with_headers({"x-amz-date": stamp, "authorization": authorization})

    return sign


def _signed_headers(call: Call, stamp: str) -> dict[str, str]:
    """The headers to be signed, sorted, with runs of white space as one blank."""
    url = urlsplit(call.url)
    host = url.netloc.rpartition("@")[2].removesuffix(_DEFAULT_PORTS.get(url.scheme, "\n"))
    headers = {"host": host} | {name.lower(): value for name, value in call.headers.items()} | {"x-amz-date": stamp}
    return {name: " ".join(headers[name].split()) for name in sorted(headers) if name not in _UNSIGNED}


def _canonical(call: Call, headers: dict[str, str]) -> str:
    """The call in the one spelling that both sides hash."""
    url = urlsplit(call.url)
    return "\n".join([
        call.method,
        quote(_without_dots(url.path), safe="/~"),
        _query(url.query),
        *(f"{name}:{value}" for name, value in headers.items()),
        "",
        ";".join(headers),
        hashlib.sha256(call.body).hexdigest(),
    ])  # fmt: skip


def _without_dots(path: str) -> str:
    """*path* without empty, `.` and `..` segments (RFC 3986, 5.2.4; AWS drops the empty ones too)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def _query(query: str) -> str:
    """The pairs of *query* in order, each percent-encoded in the one way."""
    if not query:
        return ""
    pairs = [pair.partition("=") for pair in query.split("&")]
    encoded = sorted(
        (quote(unquote_to_bytes(name), safe="~"), quote(unquote_to_bytes(value), safe="~")) for name, _, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _keyed(secret: str, scope: str, text: str) -> str:
    key = secret.encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()
