"""TLS of the server: certificates that are renewed, clients that show one, and keys that cannot be read."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from certificates import Authority
from clock import on_a_loop
from echoing import Echo, server

from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound import tls
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.tls import CertificateFiles, Certificates, subject

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Seen(Echo):
    """Remembers whose certificates were shown, and by which scheme was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, str]] = []

    async def __call__(self, exchange: Exchange) -> None:
        self.shown.append((exchange.certificate, exchange.scheme))
        await super().__call__(exchange)


@asynccontextmanager
async def serving(certificates: Certificates, application: Echo | None = None) -> AsyncGenerator[int]:
    """A server with *certificates*, at a port of this machine."""
    http = server(application or Echo())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.ensure_future(http.serve(listener, certificates))
        yield listener.getsockname()[1]
        http.stop()
        await running


def trusting(authority: Authority, pair: Path | None = None) -> ssl.SSLContext:
    """A client that trusts *authority*, with a certificate of its own."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        context.load_cert_chain(pair)
    return context


class Line:
    """A connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def name(self) -> str:
        """Whom the server's certificate is for."""
        return subject(self._writer.get_extra_info("peercert"))

    @property
    def protocol(self) -> str | None:
        return self._writer.get_extra_info("ssl_object").selected_alpn_protocol()

    async def ask(self) -> bytes:
        """The first line of an answer."""
        self._writer.write(GET)
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        return head.partition(b"\r\n")[0]


@asynccontextmanager
async def connected(port: int, context: ssl.SSLContext) -> AsyncGenerator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1")
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def replaced(file: Path, other: Path) -> None:
    """Put *other* in the place of *file*, as programs that renew certificates do."""
    Path(shutil.copy(other, f"{other}.new")).replace(file)


def files(chain: Path, key: Path | None = None, authorities: Path | None = None) -> CertificateFiles:
    return CertificateFiles(str(chain), str(key or chain), authorities and str(authorities))


@on_a_loop
async def test_a_certificate_that_is_renewed_is_used_for_new_connections(tmp_path: Path) -> None:
    """Once its files have been still for a look; connections that run stay as they are."""
    authority = Authority(tmp_path)
    pair, new = authority.pair("pair.pem", "old"), authority.pair("new.pem", "new")
    certificates = Certificates(files(pair))
    async with serving(certificates) as port, connected(port, trusting(authority)) as running:
        replaced(pair, new)
        for name in ("old", "new"):
            certificates.refresh()
            async with connected(port, trusting(authority)) as line:
                assert line.name == f"O=Acme,CN={name}"
                assert await line.ask() == await running.ask() == b"HTTP/1.1 200 OK"


@on_a_loop
async def test_a_broken_pair_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate without its key, one that is none, a file that is gone: each told once; what is whole is used."""
    told: list[str] = []
    monkeypatch.setattr(tls, "warn", told.append)
    monkeypatch.setattr(tls, "inform", told.append)
    authority = Authority(tmp_path)
    chain, key = authority.pair("chain.pem", "old"), tmp_path / "key.pem"
    shutil.copy(chain, key)
    new = authority.pair("new.pem", "new")
    certificates = Certificates(files(chain, key))

    async def name(port: int) -> str:
        for _ in range(3):
            certificates.refresh()
        async with connected(port, trusting(authority)) as line:
            return line.name

    async with serving(certificates) as port:
        replaced(chain, new)  # and its key comes later
        assert await name(port) == "O=Acme,CN=old"
        chain.write_text("none")
        assert await name(port) == "O=Acme,CN=old"
        chain.unlink()
        assert await name(port) == "O=Acme,CN=old"
        for file in (chain, key):
            replaced(file, new)
        assert await name(port) == "O=Acme,CN=new"
    *broken, whole = told
    assert len(broken) == 3
    assert all(line.endswith("; connections are still secured by what was there before") for line in broken)
    assert whole == f"The certificate {chain} was read anew, for new connections"


@on_a_loop
async def test_clients_show_whose_they_are(tmp_path: Path) -> None:
    """Whoever has no certificate of the authority is not answered; of others the subject is known with each request."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    authority, other = Authority(ours), Authority(theirs, "Another")
    seen = Seen()
    pair = authority.pair("pair.pem", "server")
    async with serving(Certificates(files(pair, authorities=authority.file)), seen) as port:
        for strange in (None, other.pair("client.pem", "search")):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                async with connected(port, trusting(authority, strange)) as line:
                    await line.ask()
        async with connected(port, trusting(authority, authority.pair("client.pem", "search"))) as line:
            assert await line.ask() == b"HTTP/1.1 200 OK"
    assert seen.shown == [("O=Acme,CN=search", "https")]


@on_a_loop
@pytest.mark.parametrize(
    ("offered", "spoken"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
async def test_the_protocol_is_http_1(tmp_path: Path, offered: list[str], spoken: str | None) -> None:
    """Whatever a client would like, it is told HTTP/1.1 or nothing, also after the certificate was renewed."""
    authority = Authority(tmp_path)
    certificates = Certificates(files(authority.pair("pair.pem", "server")))
    async with serving(certificates) as port:
        for _ in range(2):
            client = trusting(authority)
            if offered:
                client.set_alpn_protocols(offered)
            async with connected(port, client) as line:
                assert line.protocol == spoken
            authority.pair("pair.pem", "renewed")
            certificates.refresh()
            certificates.refresh()


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """At the beginning, by its name: an encrypted key, without asking for its passphrase; files that are none."""
    authority = Authority(tmp_path)
    plain, sealed = authority.pair("plain.pem", "a"), authority.pair("sealed.pem", "a", passphrase=b"secret")
    none = tmp_path / "none.pem"
    none.write_text("none")
    wrong = [
        (files(plain, sealed), "sealed.pem is encrypted; the server takes one without a passphrase"),
        (files(plain, none), "none.pem cannot be read"),
        (files(none, plain), "none.pem with the key"),
        (files(plain, authority.pair("other.pem", "b")), "cannot be read"),
        (files(tmp_path / "gone.pem", plain), "gone.pem"),
        (files(plain, authorities=none), "The authorities of clients .*none.pem cannot be read"),
    ]
    for pair, problem in wrong:
        with pytest.raises(InferenceError, match=problem) as caught:
            Certificates(pair)
        assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"subject": ((("organizationName", "Acme"),), (("commonName", "search"),))}, "O=Acme,CN=search"),
        ({"subject": ((("commonName", "a"), ("emailAddress", "b")),)}, "CN=a,emailAddress=b"),
        ({"subject": ((("commonName", "x" * 1000),),)}, "CN=" + "x" * 197),
    ],
)
def test_a_subject_is_one_short_text(certificate: dict[str, object] | None, text: str) -> None:
    """In the words in which certificates are usually named."""
    assert subject(certificate) == text
