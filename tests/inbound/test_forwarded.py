"""What proxies tell of whom they ask for, and what others only say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import pytest
from echoing import Echo
from hypothesis import given
from hypothesis import strategies as st
from in_process import CLIENT, Caller

from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.forwarded import NOBODY, Client, TrustedProxies
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.server import HttpServer

PROXY = Client("10.0.0.1")
TRUSTED = TrustedProxies.parsed(["10.0.0.0/8", "192.0.2.7", "fd00::/8"])


@pytest.mark.parametrize(
    ("entries", "taken", "refused"),
    [
        (["10.0.0.0/8"], ["10.255.0.1", "::ffff:10.0.0.1"], ["11.0.0.1", "", "::1", "x"]),
        (["10.0.0.1/8", "192.0.2.7"], ["10.9.9.9", "192.0.2.7"], ["192.0.2.8"]),
        (["fd00::/8"], ["fd00::1"], ["fe80::1", "10.0.0.1"]),
        (["unix"], [""], ["127.0.0.1"]),
        ([], [], ["", "127.0.0.1"]),
    ],
)
def test_proxies_are_known_by_their_addresses(entries: list[str], taken: list[str], refused: list[str]) -> None:
    """By one, by a network of them, or by coming from this machine's own socket; by default there is none."""
    proxies = TrustedProxies.parsed(entries)
    assert [address for address in taken if not proxies.trusts(address)] == []
    assert [address for address in refused if proxies.trusts(address)] == []


TOLD: list[tuple[Mapping[str, str], tuple[str, str, str]]] = [
    ({}, ("10.0.0.1", "", "")),
    ({"x-forwarded-for": "203.0.113.9"}, ("203.0.113.9", "", "")),
    ({"x-forwarded-for": "6.6.6.6, 203.0.113.9"}, ("203.0.113.9", "", "")),  # whatever the client wrote before
    ({"x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.0.0.2 ,192.0.2.7"}, ("203.0.113.9", "", "")),
    ({"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, ("10.0.0.3", "", "")),  # nobody but proxies
    ({"x-forwarded-for": "203.0.113.9:4711"}, ("203.0.113.9", "", "")),
    ({"x-forwarded-for": "2001:db8::9"}, ("2001:db8::9", "", "")),
    ({"x-forwarded-for": "[2001:DB8::9]:4711"}, ("2001:db8::9", "", "")),
    ({"x-forwarded-for": "::ffff:203.0.113.9"}, ("203.0.113.9", "", "")),
    ({"x-forwarded-proto": "https", "x-forwarded-host": "a.test:1"}, ("10.0.0.1", "https", "a.test:1")),
    (
        {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "HTTPS", "x-forwarded-host": "a.test"},
        ("203.0.113.9", "https", "a.test"),
    ),
    (  # two proxies, each with its own; a third entry is the client's
        {
            "x-forwarded-for": "203.0.113.9, 10.0.0.2",
            "x-forwarded-proto": "gopher, https, http",
            "x-forwarded-host": "evil.test, a.test, inner",
        },
        ("203.0.113.9", "https", "a.test"),
    ),
    ({"x-forwarded-for": "203.0.113.9, 10.0.0.2", "x-forwarded-proto": "https"}, ("203.0.113.9", "https", "")),
    ({"forwarded": "for=203.0.113.9;proto=https;host=a.test"}, ("203.0.113.9", "https", "a.test")),
    ({"forwarded": 'For="[2001:db8::9]:4711" ; Proto=http, for=10.0.0.2'}, ("2001:db8::9", "http", "")),
    ({"forwarded": "for=6.6.6.6, for=203.0.113.9"}, ("203.0.113.9", "", "")),
    ({"forwarded": "for=203.0.113.9", "x-forwarded-for": "203.0.113.9"}, ("203.0.113.9", "", "")),
]
STRANGE: list[Mapping[str, str]] = [
    {"x-forwarded-for": "unknown"},
    {"x-forwarded-for": ""},
    {"x-forwarded-for": ", ,"},
    {"x-forwarded-for": "203.0.113.9\t10.0.0.2"},
    {"x-forwarded-for": "203.0.113.9, evil"},  # what is no address ends the chain, for nobody vouches for the rest
    {"x-forwarded-for": "203.0.113.999"},
    {"x-forwarded-for": "fe80::1%eth0\x1b[2J x"},
    {"x-forwarded-for": "1" * 60_000},
    {"x-forwarded-for": "203.0.113.9, " + "x" * 1000},
    {"forwarded": "for=_hidden"},
    {"forwarded": 'for="203.0.113.9'},
    {"forwarded": "203.0.113.9"},
    {"forwarded": ";;==,"},
    {"forwarded": 'for=203.0.113.9;host="a, for=6.6.6.6"'},  # a host that holds another hop
    {"forwarded": "for=6.6.6.6", "x-forwarded-for": "203.0.113.9"},  # one of the two is the client's own
    {"x-forwarded-host": "a b", "x-forwarded-proto": "javascript"},
    {"x-forwarded-host": "a.test/../x", "x-forwarded-for": "x"},
    {"x-forwarded-host": "user@a.test"},
]


@pytest.mark.parametrize(("headers", "wanted"), TOLD)
def test_the_client_is_the_last_that_a_proxy_vouches_for(
    headers: Mapping[str, str], wanted: tuple[str, str, str]
) -> None:
    """Its address, with the scheme and the host by which it asked the outermost proxy."""
    client = TRUSTED.client(PROXY, headers)
    assert (client.address, client.scheme, client.host) == wanted


@pytest.mark.parametrize("headers", STRANGE)
def test_what_cannot_be_read_is_told_of_nobody(headers: Mapping[str, str]) -> None:
    """The proxy itself is the client then, and keeps the host that it asked for."""
    assert TRUSTED.client(PROXY, headers) == PROXY


@given(st.dictionaries(st.sampled_from(["forwarded", "x-forwarded-for", "x-forwarded-host"]), st.text()))
def test_a_client_is_an_address_whatever_is_told(headers: Mapping[str, str]) -> None:
    """Nothing but an address gets into the log from there."""
    client = TRUSTED.client(PROXY, headers)
    assert str(ip_address(client.address)) == client.address


class Seen(Echo):
    """Remembers from whom it was asked, and by which host."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []

    async def __call__(self, exchange: Exchange) -> None:
        self.asked.append((exchange.client, exchange.scheme, exchange.host))
        await super().__call__(exchange)


def asked(proxies: TrustedProxies, lines: Sequence[str]) -> tuple[str, str, str]:
    """Who asked and for which host, when somebody at `CLIENT` sent a head of *lines*."""
    seen = Seen()

    async def main() -> None:
        caller = Caller(HttpServer(seen, ConnectionLimits(), [], frozenset(), proxies))
        caller.say("\r\n".join(["GET / HTTP/1.1", "Host: inner", *lines, "", ""]).encode())
        await caller.answered()
        caller.leave()

    asyncio.run(main())
    return seen.asked[0]


LINES = ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.test"]


def test_only_a_trusted_peer_is_believed() -> None:
    """Of anybody else the same headers say nothing."""
    assert asked(NOBODY, LINES) == asked(TrustedProxies.parsed(["192.0.2.7", "unix"]), LINES) == (CLIENT, "", "")
    assert asked(TrustedProxies.parsed([CLIENT]), LINES) == ("203.0.113.9", "https", "a.test")


def test_headers_that_are_lists_may_come_in_several() -> None:
    """A proxy that adds a header of its own below the client's has the last word."""
    lines = ["X-Forwarded-For: 6.6.6.6", *LINES]
    assert asked(TrustedProxies.parsed([CLIENT]), lines)[0] == "203.0.113.9"
    chain = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.2"]
    assert asked(TrustedProxies.parsed(["10.0.0.0/8"]), chain)[0] == "203.0.113.9"


def test_a_trailer_is_no_word_of_a_proxy() -> None:
    """What comes after a body is left out, as all trailers are."""
    body = "0\r\nX-Forwarded-For: 203.0.113.9\r\nHost: a.test"
    lines = ["Transfer-Encoding: chunked", "", body]
    assert asked(TrustedProxies.parsed([CLIENT]), lines) == (CLIENT, "", "")


class Stranger(Caller):
    """Somebody who is no proxy."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.99", 50_000) if name == "peername" else default


def test_a_proxys_words_in_anothers_mouth_say_nothing() -> None:
    """Not even right after the proxy said the very same, nor is what it said forgotten by that."""
    seen = Seen()

    async def main() -> None:
        http = HttpServer(seen, ConnectionLimits(), [], frozenset(), TrustedProxies.parsed([CLIENT]))
        for kind in (Caller, Stranger, Caller):
            caller = kind(http)
            caller.say("\r\n".join(["GET / HTTP/1.1", "Host: inner", *LINES, "", ""]).encode())
            await caller.answered()
            caller.leave()

    asyncio.run(main())
    told = ("203.0.113.9", "https", "a.test")
    assert seen.asked == [told, ("192.0.2.99", "", ""), told]
