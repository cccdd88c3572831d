"""How the server is reached: its address, its certificates, its names, its proxies, and how many may connect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from inferpoint.inbound import origins
from inferpoint.inbound.forwarded import TrustedProxies
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.origins import Origins
from inferpoint.inbound.tls import CertificateFiles
from inferpoint.model.http import is_loopback
from inferpoint.model.settings import setting, settings

UNIX = "unix:"
_PREFIX = "(/[A-Za-z0-9._~-]+)*/?"


@settings
class Listening:
    """The settings of the server's entrance."""

    host: str = setting("The address to listen on.", default="127.0.0.1")
    port: int = setting("The port to listen on; 0 takes a free one.", default=9210, at_least=0, at_most=65535)
    listen: str | None = setting(
        "A Unix socket to listen on instead, as unix:PATH, for the user alone who runs the server.", default=None
    )
    tls_cert: str | None = setting(
        "The file with the certificate chain by which HTTPS is served; read anew when it changes.", default=None
    )
    tls_key: str | None = setting("The file with the private key of the certificate, not encrypted.", default=None)
    tls_client_ca: str | None = setting(
        "The file with the authorities of which every client must show a certificate.", default=None
    )
    allowed_hosts: tuple[str, ...] | None = setting(
        "The names by which the server may be asked for, beside this machine's own, each with an optional port; *.NAME"
        " is every name below one, * any. Those of this machine alone when nothing is said and only it is listened to.",
        default=None,
    )
    allowed_origins: tuple[str, ...] | None = setting(
        "The origins of pages elsewhere that may ask from a browser, as SCHEME://HOST[:PORT]; the host may be *.NAME,"
        " the port *, and * is any.",
        default=None,
    )
    trusted_proxies: tuple[str, ...] | None = setting(
        "The addresses and networks of proxies whose Forwarded and X-Forwarded-* are believed; unix is whoever comes"
        " by the Unix socket.",
        default=None,
    )
    path_prefix: str = setting("The path below which everything is served.", default="/", pattern=_PREFIX)
    max_connections: int = setting(
        "The most connections; for another, the one that was idle the longest is closed.",
        default=ConnectionLimits.connections,
        at_least=1,
    )
    max_requests: int = setting(
        "The most requests in work; another is refused at once.", default=ConnectionLimits.requests, at_least=1
    )
    max_requests_per_key: int = setting(
        "The most requests in work that one key has sent; another is refused at once.", default=4000, at_least=1
    )
    idle_seconds: int = setting(
        "How long a connection is kept that nothing is asked on.", default=ConnectionLimits.idle_seconds, at_least=1
    )
    slow_seconds: int = setting(
        "How long the head of a request may take, and how long a body or an answer may be slower than it may.",
        default=ConnectionLimits.slow_seconds,
        at_least=1,
    )
    least_bytes_per_second: int = setting(
        "How slow a body may come and an answer be read.", default=ConnectionLimits.bytes_per_second, at_least=0
    )
    drain_seconds: int = setting(
        "How long to take connections after being told to stop, while /readyz says that no more should come.",
        default=ConnectionLimits.drain_seconds,
        at_least=0,
    )
    shutdown_seconds: int = setting(
        "How long to let requests finish once no connections are taken any more.",
        default=ConnectionLimits.shutdown_seconds,
        at_least=1,
    )

    @property
    def is_for_this_machine(self) -> bool:
        """Whether nobody else can connect."""
        return self.listen is not None or is_loopback(self.host)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """How many connections and requests there may be, how slow, and how they end."""
        return ConnectionLimits(
            connections=self.max_connections,
            requests=self.max_requests,
            idle_seconds=self.idle_seconds,
            slow_seconds=self.slow_seconds,
            bytes_per_second=self.least_bytes_per_second,
            drain_seconds=self.drain_seconds,
            shutdown_seconds=self.shutdown_seconds,
        )

    @property
    def proxies(self) -> TrustedProxies:
        """The proxies whose word is taken."""
        return TrustedProxies.parsed(self.trusted_proxies or ())

    @property
    def certificate_files(self) -> CertificateFiles | None:
        """The files of HTTPS, where that is served."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return CertificateFiles(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The segments of the path below which everything is served."""
        return tuple(segment for segment in self.path_prefix.split("/") if segment)

    def origins(self, *, insecure: bool) -> Origins:
        """Whom browsers may bring. What is not said is not let in, unless it was said that an *insecure* server is.

        Without names, those of this machine are meant where only it can connect: whoever has a page in a browser there
        could else have a name of its own mean this machine. Where others connect a page has no key to ask with.
        """
        hosts, pages = self.allowed_hosts, self.allowed_origins
        any_host = hosts is None and (insecure or not self.is_for_this_machine)
        return Origins(
            hosts=None if any_host else origins.hosts(hosts or ()),
            pages=None if pages is None and insecure else origins.pages(pages or ()),
        )


def contradictions(listening: Listening) -> Iterator[str]:
    """A sentence for each setting that cannot be, or does not go with another."""
    if listening.listen is not None and not listening.listen.startswith(UNIX + "/"):
        yield f"[listen] is [unix:PATH] with an absolute path, not [{listening.listen}]"
    if (listening.tls_cert is None) != (listening.tls_key is None):
        yield "[tls_cert] and [tls_key] are needed together"
    elif listening.tls_client_ca is not None and listening.tls_cert is None:
        yield "[tls_client_ca] needs [tls_cert] and [tls_key]"
    for entry in _wrong(listening.allowed_hosts, origins.hosts):
        yield f"[allowed_hosts] has names such as [example.com], [*.example.com] or [example.com:8443], not [{entry}]"
    for entry in _wrong(listening.allowed_origins, origins.pages):
        yield f"[allowed_origins] has origins such as [https://example.com] or [http://localhost:*], not [{entry}]"
    for entry in _wrong(listening.trusted_proxies, TrustedProxies.parsed):
        yield f"[trusted_proxies] has addresses, networks such as [10.0.0.0/8] and [unix], not [{entry}]"


def _wrong(entries: Sequence[str] | None, parse: Callable[[Sequence[str]], object]) -> Iterator[str]:
    """The *entries* that cannot be read."""
    for entry in entries or ():
        try:
            parse([entry])
        except ValueError:
            yield entry
