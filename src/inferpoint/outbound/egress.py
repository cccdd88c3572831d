"""Which addresses may be called: a user names the address, so it must not reach what only this machine may reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Cloud machines answer with their own credentials here, whoever asks.
_METADATA = ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
_FORBIDDEN = tuple(ipaddress.ip_network(network) for network in (*_METADATA, "fec0::/10"))
# People run their own models here. Programs that carry a machine's traffic elsewhere give names addresses of 198.18.
_NEIGHBOURS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "::1/128",
        "fc00::/7",
    )
)  # fmt: skip
# The last 32 bits are an address of IPv4: compatible, mapped, translated (RFC 2765), by NAT64's prefix (RFC 6052).
_LAST_BITS = tuple(
    ipaddress.IPv6Network(network) for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_LOCAL_PREFIX = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215
_ISATAP = (0x00005EFE, 0x02005EFE)  # before the last 32 bits, under any prefix (RFC 5214)
_NOWHERE = ipaddress.IPv4Network("0.0.0.0/8")


def permitted(address: str) -> bool:
    """Whether *address*, an IP address that a name was resolved to, may be connected to.

    Global addresses are, and private ones: that is where people run their own models. Link-local addresses, the
    cloud's metadata services, multicast, unspecified and reserved addresses are not, however IPv6 writes them.
    """
    meant = _meant(address)
    return bool(meant) and all(map(_may_be_called, meant))


def is_neighbour(address: str) -> bool:
    """Whether *address*, an IP address, leads to a network that is not everybody's: its own machine, a private one."""
    return not all(ip.is_global for ip in _meant(address))


def _meant(address: str) -> list[IpAddress]:
    """The addresses that *address* may lead to; none when it is no address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return []
    inner: list[IpAddress] = [*_embedded(ip)] if isinstance(ip, ipaddress.IPv6Address) else []
    return inner or [ip]


def _may_be_called(ip: IpAddress) -> bool:
    if ip.is_multicast or ip.is_unspecified or _is_in(ip, _FORBIDDEN):
        return False
    return ip.is_global or _is_in(ip, _NEIGHBOURS)


def _is_in(ip: IpAddress, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _embedded(ip: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Each address of IPv4 that *ip* may lead to."""
    number = int(ip)
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if (number > 1 and any(ip in network for network in _LAST_BITS)) or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield _last(number)
    if ip in _LOCAL_PREFIX:
        # Read with another prefix than its network's it is no address at all, most often.
        yield from (inner for inner in map(_last, _by_prefix(number)) if not (inner in _NOWHERE or inner.is_reserved))


def _last(number: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _by_prefix(number: int) -> Iterator[int]:
    """*number* read with a prefix of 48, 56, 64 and 96 bits: bits 64 to 71 are no part of an address (RFC 6052)."""
    without = (number >> 64 << 56) | (number & (1 << 56) - 1)
    yield from (without >> 40, without >> 32, without >> 24, number)
