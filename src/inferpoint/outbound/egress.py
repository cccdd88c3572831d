"""Which addresses may be called: a user names the address, so it must not reach what only this machine may reach."""

from __future__ import annotations

import ipaddress

# Cloud machines answer with their own credentials here, whoever asks.
_METADATA = ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
_FORBIDDEN = tuple(ipaddress.ip_network(network) for network in _METADATA)


def permitted(address: str) -> bool:
    """Whether *address*, an IP address that a name was resolved to, may be connected to.

    Private addresses are: that is where people run their own models. Link-local addresses, the cloud's metadata
    services, multicast and unspecified addresses are not.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if ip.is_multicast or ip.is_unspecified:
        return False
    return not any(ip.version == network.version and ip in network for network in _FORBIDDEN)
