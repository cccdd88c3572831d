"""Where a URL leads, as far as a connection and the first line of a request need it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from inferpoint.errors import InferenceError, invalid
from inferpoint.outbound.http.proxy import Proxies, Proxy, basic

_PORTS = {"http": 80, "https": 443}
_UNWRITABLE = re.compile(r"[^!-~]")


@dataclass(frozen=True, eq=False)
class Target:
    """One URL. `host` is a name or an address without brackets, `shown` the URL without what may be secret.

    `origin` and `query` are what a kept connection belongs to; `path` stands in the first line as it was written,
    percent-encoding included, and is the whole URL where a *proxy* reads it.
    """

    tls: bool
    host: str
    port: int
    path: str
    origin: str
    query: str
    headers: Mapping[str, str]
    shown: str
    proxy: Proxy | None

    @property
    def tunnelled(self) -> bool:
        """Whether a proxy only carries the bytes, as it does for what is encrypted."""
        return self.proxy is not None and self.tls


def target(url: str, proxies: Proxies) -> Target:
    """*url* taken apart; `INVALID` when it is none, or when its proxy is no address."""
    try:
        parts = urlsplit(url)
        host = _ascii(parts.hostname or "")
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _no_url(url) from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not host or _UNWRITABLE.search(host + path):
        raise _no_url(url)
    authority = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        authority = f"{authority}:{port}"
    origin = f"{parts.scheme}://{authority}"
    proxy = proxies.of(parts.scheme, host, port)
    headers = {"host": authority, **_user(parts)}
    if proxy is not None and parts.scheme == "http":
        path = origin + path
        headers |= proxy.headers
    shown = f"{origin}{parts.path}"
    return Target(parts.scheme == "https", host, port, path, origin, parts.query, headers, shown, proxy)


def _no_url(url: str) -> InferenceError:
    return invalid(f"Invalid url [{url.partition('?')[0]}]")


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _user(parts: SplitResult) -> Mapping[str, str]:
    if parts.username is None:
        return {}
    return {"authorization": basic(parts.username, parts.password or "")}
