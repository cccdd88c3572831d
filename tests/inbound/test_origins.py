"""Whom browsers may bring: names that were made to mean this server, and pages from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.origins import CLOSED, OPEN, Origins, hosts, pages

FOREIGN = "http://evil.test"


def lets_in(origins: Origins, headers: Mapping[str, str], method: str = "POST", scheme: str = "") -> bool:
    """Whether a request comes in; what does not is forbidden, and nothing else."""
    try:
        origins.refuse(method, headers, scheme, "")
    except InferenceError as error:
        assert error.kind is Kind.FORBIDDEN
        return False
    return True


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9210", "127.0.0.1:9210", "[::1]:9210", "LOCALHOST:1", "[::1]", "127.0.0.2:9210"]
)
def test_this_machine_by_its_own_names_comes_in(host: str) -> None:
    """A program on this machine, or a page that this server itself gave out, may ask."""
    for origins in (CLOSED, Origins(hosts(["example.com"]), pages([]))):
        assert lets_in(origins, {"host": host})
        assert lets_in(origins, {"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "evil.test:9210",
        "[::1",
        "[",
        "@localhost.x",
        "0.0.0.0",
    ],
)
def test_a_name_that_was_made_to_mean_this_machine_does_not(host: str) -> None:
    """DNS rebinding is known by the name that the page came by, though its browser takes it for this server's own."""
    assert not lets_in(CLOSED, {"host": host})
    assert not lets_in(CLOSED, {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"})
    assert lets_in(OPEN, {"host": host})


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        (
            "example.com",
            ["example.com", "EXAMPLE.com:8443"],
            ["a.example.com", "example.com.evil.test", "xexample.com"],
        ),
        ("Example.com:8443", ["example.com:8443"], ["example.com", "example.com:84430"]),
        ("example.com:443", ["example.com", "example.com:443"], ["example.com:80"]),
        ("*.example.com", ["a.example.com", "a.b.example.com:1"], ["example.com", ".example.com", "a.example.com.x"]),
        ("[fd00::1]", ["[fd00::1]:9210"], ["[fd00::2]"]),
        ("*", ["anything.test", "10.0.0.1:80", "[fd00::1]"], ["", "a b", "a/b"]),
        ("exampleXcom", ["examplexcom"], ["example.com"]),
    ],
)
def test_the_names_of_a_server_are_said(pattern: str, taken: list[str], refused: list[str]) -> None:
    """Each with any port or with one, in letters of any case; with `*.` all names below a domain, and not itself."""
    origins = Origins(hosts([pattern]), pages([]))
    assert [host for host in taken if not lets_in(origins, {"host": host})] == []
    assert [host for host in refused if lets_in(origins, {"host": host})] == []


def test_a_refused_host_is_told_what_to_do() -> None:
    """The setting is named that would have let it in."""
    with pytest.raises(InferenceError, match=r"The host \[evil.test\] .* --allowed-hosts"):
        CLOSED.refuse("GET", {"host": "evil.test"}, "", "")


@pytest.mark.parametrize(
    "origin",
    [
        FOREIGN,
        "null",
        "",
        "http://localhost:1",
        "https://localhost.evil.test:9210",
        "http://[",
        "file://",
        "http://[::1",
    ],
)
def test_a_page_from_elsewhere_stays_out(origin: str) -> None:
    """A page of another origin, or of none, may not use this server; a broken origin is one too."""
    for origins in (CLOSED, Origins(None, pages([])), Origins(None, pages(["https://app.example.com"]))):
        for more in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
            assert not lets_in(origins, {"host": "localhost:9210", "origin": origin, **more})


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("https://app.test", ["https://app.test", "HTTPS://APP.test"], ["http://app.test", "https://app.test:1"]),
        ("http://localhost:*", ["http://localhost:3000", "http://localhost"], ["http://localhost.evil.test:1"]),
        ("https://*.app.test", ["https://a.b.app.test"], ["https://app.test", "https://evilapp.test"]),
        ("https://app.test:8443", ["https://app.test:8443"], ["https://app.test"]),
        ("chrome-extension://abc", ["chrome-extension://abc"], ["chrome-extension://abd"]),
        ("*", ["https://anything.test", "null"], []),
    ],
)
def test_pages_that_may_ask_are_said(pattern: str, taken: list[str], refused: list[str]) -> None:
    """By scheme, host and port, also when their browsers say that they are from elsewhere."""
    origins = Origins(None, pages([pattern]))

    def asking(origin: str) -> Mapping[str, str]:
        return {"host": "api.test", "origin": origin, "sec-fetch-site": "cross-site"}

    assert [origin for origin in taken if not lets_in(origins, asking(origin))] == []
    assert [origin for origin in refused if lets_in(origins, asking(origin))] == []
    for origin in taken:
        shared = origins.shared({"origin": origin})
        assert shared["access-control-allow-origin"] == origin
        assert (shared["access-control-expose-headers"], shared["vary"]) == ("*", "Origin")
    for origin in refused:
        assert origins.shared({"origin": origin}) == {"vary": "Origin"}


def test_the_answers_of_a_server_for_no_pages_are_shared_with_none() -> None:
    """Nothing is said to browsers where nothing was said of pages."""
    assert CLOSED.shared({"origin": FOREIGN}) == OPEN.shared({"origin": FOREIGN}) == {}
    assert CLOSED.preflight({"origin": FOREIGN, "access-control-request-method": "POST"}) is None


@pytest.mark.parametrize(
    ("pattern", "is_host"),
    [
        ("", True),
        ("https://a.test", True),
        ("a.test/b", True),
        ("*a.test", True),
        ("a.*.test", True),
        ("a.test:x", True),
        ("a.test", False),
        ("https://", False),
        ("https://a.test/", False),
        ("null", False),
        ("*://a.test", False),
    ],
)
def test_what_is_no_name_or_origin_is_told(pattern: str, *, is_host: bool) -> None:
    """Nothing is taken for something else than was meant."""
    with pytest.raises(ValueError, match=r".*"):
        (hosts if is_host else pages)([pattern])


OWN = {"host": "api.test"}
BROWSERS: list[tuple[str, Mapping[str, str], bool]] = [
    ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
    ("GET", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, True),
    ("POST", {"sec-fetch-site": "same-origin", "origin": "https://api.test"}, True),
    ("POST", {"sec-fetch-site": "same-origin", "origin": "https://api.test:8443"}, True),  # its proxy told another host
    ("POST", {"origin": "https://api.test"}, True),  # an address without TLS: browsers say less
    (
        "GET",
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        True,
    ),  # a link
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
    ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, False),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, False),
    ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, False),
    ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "origin": FOREIGN}, False),
    ("POST", {"sec-fetch-site": "same-site", "origin": "https://other.api.test"}, False),
    ("POST", {"sec-fetch-site": "nonsense"}, False),
    ("POST", {}, True),  # no browser
]


@pytest.mark.parametrize(("method", "headers", "taken"), BROWSERS)
def test_what_browsers_say_of_a_page_is_heeded(method: str, headers: Mapping[str, str], *, taken: bool) -> None:
    """The server's own pages work and may be linked to; what other pages would load or send on their own is refused."""
    assert lets_in(Origins(None, pages([])), {**OWN, **headers}, method) is taken


def test_a_page_over_http_is_not_the_servers_own_where_that_is_https() -> None:
    """Where the scheme is known a page of the same host has it too: anybody on the way writes one of the other."""
    origins = Origins(None, pages([]))
    for scheme, taken in (("", True), ("http", True), ("https", False)):
        assert lets_in(origins, {**OWN, "origin": "http://api.test"}, scheme=scheme) is taken


def test_what_has_no_host_is_no_page() -> None:
    """A health check over HTTP/1.0 names no host, which no browser leaves out; nor has it an origin."""
    assert lets_in(CLOSED, {})
    assert not lets_in(CLOSED, {"origin": FOREIGN})


@given(st.text(), st.text(), st.text())
def test_any_host_and_origin_are_judged(host: str, origin: str, site: str) -> None:
    """Whatever a page writes there, it comes in or is forbidden."""
    headers = {"host": host, "origin": origin, "sec-fetch-site": site}
    for origins in (CLOSED, OPEN, Origins(hosts(["*.a.test", "b.test:1"]), pages(["https://*.a.test", "http://b:*"]))):
        lets_in(origins, headers)
        origins.shared(headers)
