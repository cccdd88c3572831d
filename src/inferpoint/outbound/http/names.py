"""The addresses of a host's name that may be called, remembered for half a minute."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from inferpoint.outbound.egress import permitted
from inferpoint.tasks import Tasks

_SECONDS = 30.0
_MOST = 1000

_Lookup = asyncio.Task[list[tuple[Any, ...]]]


class ForbiddenError(OSError):
    """All addresses that a name stands for may not be called."""


class Names:
    """The system's resolver, asked once for all who ask for the same name at a time."""

    def __init__(self) -> None:
        self._lookups: dict[str, tuple[float, _Lookup]] = {}
        self._tasks = Tasks()
        self._avoided: list[tuple[str, int]] = []

    def avoid(self, host: str, port: int) -> None:
        """Have no address that leads to *port* of *host*, an address of this machine, or of it as a whole."""
        self._avoided.append((host, port))

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of *host*, a name or an address in any spelling, whose *port* may be called.

        `ForbiddenError` if there is none; `socket.gaierror` or `UnicodeError` when there is no such name.
        """
        literal = _literal(host)
        addresses = await self.trusted(host) if literal is None else [literal]
        allowed = [address for address in addresses if permitted(address) and not self._is_avoided(address, port)]
        if not allowed:
            raise ForbiddenError(host)
        return allowed

    async def trusted(self, host: str) -> Sequence[str]:
        """The addresses of a *host* that whoever runs this process has named, or that are checked then."""
        return list(dict.fromkeys(str(info[4][0]) for info in await self._looked_up(host)))

    def check(self, host: str) -> None:
        """`ForbiddenError` when *host* is an address, in any spelling, that may not be called by anybody for us."""
        literal = _literal(host)
        if literal is not None and not permitted(literal):
            raise ForbiddenError(host)

    async def close(self) -> None:
        """End the lookups under way."""
        await self._tasks.close()

    def _is_avoided(self, address: str, port: int) -> bool:
        return any(port == other and _leads_to(address, host) for host, other in self._avoided)

    async def _looked_up(self, host: str) -> list[tuple[Any, ...]]:
        loop = asyncio.get_running_loop()
        until, lookup = self._lookups.get(host, (0.0, None))
        if lookup is None or loop.time() >= until or (lookup.done() and (lookup.cancelled() or lookup.exception())):
            if len(self._lookups) >= _MOST:
                self._lookups.clear()
            lookup = self._tasks.start(loop.getaddrinfo(host, None, type=socket.SOCK_STREAM))
            lookup.add_done_callback(_seen)  # whoever asked may have left
            self._lookups[host] = (loop.time() + _SECONDS, lookup)
        return await asyncio.shield(lookup)


def _literal(host: str) -> str | None:
    """The address that *host* is, if it is one, also where it is one number or has octal or hexadecimal ones."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _seen(lookup: _Lookup) -> None:
    if not lookup.cancelled():
        lookup.exception()


def _leads_to(address: str, host: str) -> bool:
    """Whether a call of *address* reaches who listens at *host*, which may be every address that this machine has."""
    ip, listening = ipaddress.ip_address(address.partition("%")[0]), ipaddress.ip_address(host)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return _is_own(str(mapped or ip)) if listening.is_unspecified else (mapped or ip) == listening


def _is_own(address: str) -> bool:
    """Whether *address* is one of this machine's: no other can be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        try:
            own.bind((address, 0))
        except OSError:
            return False
    return True
