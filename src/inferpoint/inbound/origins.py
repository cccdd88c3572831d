"""The names by which the server is asked for, and the pages that may ask it from a browser.

A page whose own name was made to mean this server (DNS rebinding) is known by its `Host`, any other page from elsewhere
by its `Origin` or by `Sec-Fetch-Site`. What is no browser has neither, and is none of this file's business.
https://fetch.spec.whatwg.org/#http-cors-protocol, https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import is_loopback

_ANY = "*"
_PATTERN = re.compile(r"(?:([a-z][a-z0-9+.-]*)://)?(\*|(\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5}|:\*)?")
_USUAL_PORTS = (":80", ":443")  # which no browser writes
_OURS = ("same-origin", "none")  # a page of this server's own, or nobody's: an address that was typed, a bookmark
_SAFE = ("GET", "HEAD")
_FRAMED = ("embed", "object", "frame", "iframe", "fencedframe")
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_REMEMBERED = "600"  # seconds for which a browser does not ask again whether it may
_VARY = MappingProxyType({"vary": "Origin"})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Origins:
    """Whom browsers may bring: `hosts` are the names of this server, `pages` the origins from elsewhere that may ask.

    None stands for any, and of pages also for no word to browsers: such a server is open to what is no page. The names
    of this machine are always the server's own, for nobody can have them mean another.
    """

    hosts: re.Pattern[str] | None
    pages: re.Pattern[str] | None

    def refuse(self, method: str, headers: Mapping[str, str], scheme: str, host: str) -> None:
        """`FORBIDDEN` for a host that is not the server's, and for a page that may not ask.

        A page of the server's own has its host, and its *scheme* where that is known. The *host* that a proxy was asked
        for stands in place of `Host`; without both and without `Origin` it is no browser that asks, but for example a
        health check over HTTP/1.0.
        """
        host, origin = host or headers.get("host", ""), headers.get("origin")
        if (
            self.hosts is not None
            and (host or origin is not None or "host" in headers)
            and not _named(host, self.hosts)
        ):
            problem = f"The host [{host}] is not one of this server's; --allowed-hosts says which are"
            raise InferenceError(Kind.FORBIDDEN, problem)
        if self.pages is None:
            return
        site = headers.get("sec-fetch-site")
        if origin is None:
            if site is None or site in _OURS or _follows_a_link(method, headers):
                return
            raise InferenceError(Kind.FORBIDDEN, f"A page that is [{site}] may not use this server")
        if site not in _OURS and not _is_own(origin, host, scheme) and not self.pages.fullmatch(origin.lower()):
            problem = f"The origin [{origin}] may not use this server; --allowed-origins says which may"
            raise InferenceError(Kind.FORBIDDEN, problem)

    @property
    def shares(self) -> bool:
        """Whether there are pages from elsewhere that answers are shared with."""
        return self.pages not in (None, NOWHERE)

    def shared(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers by which a browser lets a page that may ask read an answer, whatever it is."""
        if self.pages is None or not self.shares:
            return NO_HEADERS
        origin = headers.get("origin")
        if origin is None or not self.pages.fullmatch(origin.lower()):
            return _VARY
        return {**_VARY, "access-control-allow-origin": origin, "access-control-expose-headers": _ANY}

    def preflight(self, headers: Mapping[str, str]) -> Mapping[str, str] | None:
        """The answer to a browser's `OPTIONS` that asks, before any key is sent, whether a page may; None to others."""
        wanted = headers.get("access-control-request-method")
        if wanted is None or not self.shared(headers):
            return None
        return {
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": headers.get("access-control-request-headers", ""),
            "access-control-max-age": _REMEMBERED,
        }


NOWHERE = re.compile(r"(?!)")
CLOSED = Origins(hosts=NOWHERE, pages=NOWHERE)  # this machine's own names, and pages of the server's own
OPEN = Origins(hosts=None, pages=None)


def hosts(patterns: Sequence[str]) -> re.Pattern[str]:
    """The `Host`s that are meant by names with an optional port, `*.` before a domain, or `*`; `ValueError` for others.

    Without a port any is meant.
    """
    return _any_of([_expression(pattern, of_page=False) for pattern in patterns])


def pages(patterns: Sequence[str]) -> re.Pattern[str]:
    """The `Origin`s that are meant by schemes with hosts, an optional port or `:*`, or `*`; `ValueError` for others."""
    return _any_of([".*" if pattern == _ANY else _expression(pattern, of_page=True) for pattern in patterns])


def _any_of(expressions: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(expressions), re.ASCII) if expressions else NOWHERE


def _expression(pattern: str, *, of_page: bool) -> str:
    """The regular expression of one pattern."""
    parts = _PATTERN.fullmatch(pattern.lower())
    if parts is None or (parts[1] is not None) != of_page:
        raise ValueError(pattern)
    scheme, name, is_domain, port = parts[1], parts[2], parts[3], parts[4]
    if name == _ANY:
        name = r"[a-z0-9._-]+|\[[0-9a-f:.]+\]"
    elif is_domain:
        name = r"(?:[a-z0-9_-]+\.)+" + re.escape(name.removeprefix("*."))
    else:
        name = re.escape(name)
    if port == ":*" or (port is None and not of_page):
        ending = "(?::[0-9]+)?"
    elif port in _USUAL_PORTS:
        ending = f"(?:{port})?"
    else:
        ending = port or ""
    return (re.escape(f"{scheme}://") if scheme else "") + f"(?:{name}){ending}"


def _named(host: str, names: re.Pattern[str]) -> bool:
    return _is_here(host) or names.fullmatch(host.lower()) is not None


@lru_cache(256)
def _is_here(host: str) -> bool:
    """Whether a `Host` header names this machine."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_own(origin: str, host: str, scheme: str) -> bool:
    """Whether a page of *origin* came from this server."""
    its_scheme, _, its_host = origin.lower().partition("://")
    return bool(its_host) and its_host == host.lower() and scheme in ("", its_scheme)


def _follows_a_link(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser goes to a page of the server's, which may be linked from anywhere, but not be framed there."""
    is_link = headers.get("sec-fetch-mode") == "navigate" and method in _SAFE
    return is_link and headers.get("sec-fetch-dest") not in _FRAMED
