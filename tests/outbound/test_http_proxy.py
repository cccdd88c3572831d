"""The proxy that the environment names: asked in its own form, passed by where it should be, its key never shown."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from certificates import THERE, Authority
from raw_calls import OK, both, provided, sent
from raw_provider import Line, RawProvider

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.http.proxy import Proxies
from inferpoint.outbound.http.transport import HttpTransport

SECRET = "Basic bWU6c2VjcmV0"  # me:secret
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def patient(line: Line) -> None:
    while await line.request():
        await line.say(OK)


async def called(monkeypatch: pytest.MonkeyPatch, act: object, call: Call, user: str = "") -> RawProvider:
    """The proxy, after a call that must have been answered."""
    async with RawProvider(act) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{user}127.0.0.1:{proxy.port}")
        monkeypatch.setenv("https_proxy", f"http://{user}127.0.0.1:{proxy.port}")
        transport = HttpTransport("0")
        try:
            for _ in range(2):
                assert (await sent(transport, call)).body == b"ok"
        finally:
            await transport.close()
    return proxy


def test_a_call_goes_by_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy reads the whole address, and who we are; it resolves the name."""

    async def main() -> None:
        call = Call("http://provider.invalid:8080/a%2Fb?c=d", b"{}", {"authorization": "Bearer key"})
        proxy = await called(monkeypatch, patient, call, "me:pass%40word@")
        (line,) = proxy.lines
        assert [asked.first for asked in line.asked] == ["POST http://provider.invalid:8080/a%2Fb?c=d HTTP/1.1"] * 2
        headers = line.asked[0].headers
        assert (headers["host"], headers["authorization"]) == ("provider.invalid:8080", "Bearer key")
        assert headers["proxy-authorization"] == "Basic bWU6cGFzc0B3b3Jk"

    both(main)


async def carried(line: Line, port: int) -> None:
    """Carry a connection to *port*, as a proxy does that was asked to connect."""
    asked = await line.request()
    assert asked is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await line.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await line.carry(reader, writer)


def test_what_is_encrypted_goes_through_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy carries what it cannot read: it learns the host, and our word for itself, and nothing of the call."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server: ssl.SSLContext = authority.server(THERE)

    async def main() -> None:
        async with RawProvider(patient, server) as provider:
            call = Call("https://provider.example/x", b"x" * 300_000, {"authorization": "Bearer key"})
            proxy = await called(monkeypatch, lambda line: carried(line, provider.port), call, "me:secret@")
            (line,) = proxy.lines
            assert [asked.first for asked in line.asked] == ["CONNECT provider.example:443 HTTP/1.1"]
            assert line.asked[0].headers == {
                "host": "provider.example:443",
                "proxy-authorization": "Basic bWU6c2VjcmV0",
            }
            (line,) = provider.lines
            assert [asked.first for asked in line.asked] == ["POST /x HTTP/1.1"] * 2
            assert "proxy-authorization" not in line.asked[0].headers
            assert len(line.asked[0].body) == 300_000

    both(main)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "it answered with the status 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answered with the status 502"),
        (b"", "it closed the connection"),
        (b"SSH-2.0-OpenSSH_9.0\r\n\r\n", "what it answered is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\nstolen", "what it answered is not HTTP/1.1"),
        (b"x" * 20_000, "what it answered is not HTTP/1.1"),
    ],
)
def test_a_proxy_that_will_not_is_called_one(monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str) -> None:
    """The error says that it is the proxy, and which, without its key."""

    async def act(line: Line) -> None:
        await line.request()
        await line.say(answer)
        if answer:
            await line.left()

    async def main() -> None:
        async with provided(act) as (proxy, _):
            monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
            transport = HttpTransport("0")
            with pytest.raises(InferenceError) as caught:
                await transport.send(Call("https://provider.example/x", b"{}"))
            await transport.close()
            assert caught.value.kind is Kind.CUT_OFF
            by = f"by the proxy [127.0.0.1:{proxy.port}]"
            assert str(caught.value) == f"Could not reach [https://provider.example/x]: {by}: {reason}"

    both(main)


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"http_proxy": "http://p:1"}, ("http", "h", 80), ("p", 1)),
        ({"HTTP_PROXY": "p:1"}, ("http", "h", 80), ("p", 1)),
        ({"http_proxy": "http://p"}, ("http", "h", 80), ("p", 3128)),
        ({"http_proxy": "http://p:1"}, ("https", "h", 443), None),
        ({"https_proxy": "http://p:1"}, ("https", "h", 443), ("p", 1)),
        ({"all_proxy": "http://p:1"}, ("https", "h", 443), ("p", 1)),
        ({"all_proxy": "http://p:1", "no_proxy": "h"}, ("https", "h", 443), None),
        ({"all_proxy": "http://p:1", "no_proxy": ".h.example,x"}, ("https", "a.h.example", 443), None),
        ({"all_proxy": "http://p:1", "no_proxy": "example"}, ("https", "anexample", 443), ("p", 1)),
        ({"all_proxy": "http://p:1", "no_proxy": "*"}, ("https", "h", 443), None),
        ({"all_proxy": "http://p:1", "no_proxy": "h:8080"}, ("http", "h", 8080), None),
        ({"all_proxy": "http://p:1"}, ("http", "localhost", 9200), None),
        ({"all_proxy": "http://p:1"}, ("http", "127.0.0.1", 9200), None),
        ({"all_proxy": "http://p:1"}, ("http", "::1", 9200), None),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, ("http", "h", 80), None),
    ],
)
def test_which_calls_go_by_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    url: tuple[str, str, int],
    proxy: tuple[str, int] | None,
) -> None:
    """The variables mean what they mean to other programs; this machine itself is never asked for by a proxy."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    chosen = Proxies().of(*url)
    assert (chosen and (chosen.host, chosen.port)) == proxy


@pytest.mark.parametrize("url", ["socks5://me:secret@p:1", "https://me:secret@p:1", "http://me:secret@p:x", "http://"])
def test_what_is_no_http_proxy_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A proxy of another kind is refused, and not shown."""
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(InferenceError) as caught:
        Proxies().of("https", "h", 443)
    assert caught.value.kind is Kind.INVALID
    assert str(caught.value) == "The environment's proxy for https is not of the form [http://host:port]"


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]"])
def test_a_proxy_is_not_asked_for_what_may_not_be_called(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A proxy may reach what this machine may not ask for."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def main() -> None:
        with pytest.raises(InferenceError, match="may not be called"):
            await HttpTransport("0").send(Call(f"http://{host}/x", b"{}"))

    both(main)
