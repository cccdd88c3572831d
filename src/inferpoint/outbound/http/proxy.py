"""The HTTP proxy that the environment names for a call: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import (
    getproxies_environment,
    proxy_bypass_environment,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - not in typeshed
)

from inferpoint.errors import invalid
from inferpoint.model.http import is_loopback

_PORT = 3128


@dataclass(frozen=True)
class Proxy:
    """A proxy's address, and the `headers` by which it knows us; its repr shows the address only."""

    host: str
    port: int
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class Proxies:
    """The proxies of the environment, as they were when this was made."""

    def __init__(self) -> None:
        self._urls = getproxies_environment()

    def of(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a call, which this machine never needs for itself; `INVALID` when it is no HTTP proxy."""
        url = self._urls.get(scheme) or self._urls.get("all")
        if url is None or is_loopback(host) or proxy_bypass_environment(f"{host}:{port}", self._urls):
            return None
        return _read(url if "://" in url else f"http://{url}", scheme)


def _read(url: str, scheme: str) -> Proxy:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if not host or parts.scheme != "http":
        raise invalid(f"The environment's proxy for {scheme} is not of the form [http://host:port]")
    user = {} if parts.username is None else {"proxy-authorization": basic(parts.username, parts.password or "")}
    return Proxy(host, port, user)


def basic(user: str, password: str) -> str:
    """The value of a header that tells a *user* and a *password*, which are percent-encoded."""
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")
