"""The caller behind proxies: what those that are trusted tell of it, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import zip_longest
from typing import NamedTuple

UNIX = "unix"  # in place of an address: whoever connects to a socket of this machine
FORWARDED = "forwarded"  # https://www.rfc-editor.org/rfc/rfc7239
FOR, PROTO, HOST = "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"
LISTS = frozenset({FORWARDED, FOR, PROTO, HOST})  # each proxy adds to them, in a header of its own or in that of others
_SCHEMES = ("http", "https")
_HOST_FORM = re.compile(r"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


class Client(NamedTuple):
    """Who asks: its address, empty by a Unix socket; the subject of its certificate; the scheme by which it came.

    Each is empty where it is not known, as is the `host` that it asked for, which a proxy tells in place of `Host`.
    """

    address: str = ""
    certificate: str = ""
    scheme: str = ""
    host: str = ""


class Hop(NamedTuple):
    """What one proxy tells of whoever asked it, as it came."""

    address: str = ""
    scheme: str = ""
    host: str = ""


@dataclass(frozen=True)
class TrustedProxies:
    """Those whose word is taken: addresses in `networks`, and with `unix` whoever comes by a Unix socket."""

    networks: Sequence[IPv4Network | IPv6Network] = ()
    unix: bool = False

    @staticmethod
    def parsed(entries: Sequence[str]) -> TrustedProxies:
        """The proxies of *entries*: addresses, networks such as `10.0.0.0/8`, and `unix`; `ValueError` for others."""
        networks = tuple(ip_network(entry, strict=False) for entry in entries if entry != UNIX)
        return TrustedProxies(networks, UNIX in entries)

    def trusts(self, address: str) -> bool:
        """Whether who connects from *address* is one of them; an empty one is a Unix socket."""
        if not address:
            return self.unix
        peer = _address(address.partition("%")[0]) if self.networks else None  # without the interface of a local one
        return peer is not None and self._trusts(peer)

    def client(self, peer: Client, headers: Mapping[str, str]) -> Client:
        """The client behind the trusted *peer*.

        Of a chain of proxies the right-most address that is not trusted is the client's: what stands before it anyone
        may have written. Where the two kinds of headers differ, one of them was not the proxy's, and neither counts.
        """
        told = {self._followed(peer, hops) for hops in (_standard(headers), _customary(headers)) if hops}
        return told.pop() if len(told) == 1 else peer

    def _followed(self, peer: Client, hops: Sequence[Hop]) -> Client:
        """The client at the end of *hops*, the nearest first; the end is also what is no address."""
        address, scheme, host = peer.address, peer.scheme, ""
        for hop in hops:
            scheme = hop.scheme if hop.scheme in _SCHEMES else scheme
            host = hop.host if _HOST_FORM.fullmatch(hop.host) else host
            there = _address(hop.address)
            if there is None:
                break
            address = str(there)
            if not self._trusts(there):
                break
        return Client(address, peer.certificate, scheme, host)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.networks)


NOBODY = TrustedProxies()


def _standard(headers: Mapping[str, str]) -> Sequence[Hop]:
    """The hops of `Forwarded`, the nearest first. A comma in quotes, which no address has, makes a hop unreadable."""
    return [Hop(*_members(element)) for element in _reversed(headers, FORWARDED)]


def _members(element: str) -> Iterator[str]:
    """The address, the scheme and the host of one element of `Forwarded`."""
    pairs = {name.strip().lower(): value for name, _, value in (pair.partition("=") for pair in element.split(";"))}
    for name in ("for", "proto", "host"):
        value = pairs.get(name, "").strip()
        yield value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _customary(headers: Mapping[str, str]) -> Sequence[Hop]:
    """The hops of `X-Forwarded-*`, the nearest first; a scheme or host that is told once is of all before it too."""
    addresses, schemes, hosts = (_reversed(headers, name) for name in (FOR, PROTO, HOST))
    count = max(len(addresses), bool(schemes or hosts))
    rows = zip_longest(addresses, schemes[:count], hosts[:count], fillvalue="")
    return [Hop(address, scheme.lower(), host) for address, scheme, host in rows]


def _reversed(headers: Mapping[str, str], name: str) -> Sequence[str]:
    """The values of a header that is a list, the last first."""
    text = headers.get(name)
    return [] if text is None else [value.strip() for value in reversed(text.split(","))]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that *text* is, with or without a port; one of IPv4 that is written as one of IPv6 is of IPv4."""
    if port := _WITH_PORT.fullmatch(text):
        text = port[1] or port[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id:  # any text at all
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
