"""The entrance as attackers try it: hosts, pages, paths, crowds, and texts that would be something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from clock import settle
from in_process import Application, Caller, Told, head, request
from world import EMBEDDING, HANG, Arrived, World, openai

from inferpoint.api import operations, server
from inferpoint.api.crowd import Crowd
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.forwarded import TrustedProxies
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.origins import CLOSED, Origins, hosts, pages
from inferpoint.inbound.server import HttpServer
from inferpoint.model import requests
from inferpoint.telemetry.log_lines import json_line, text_line

PAGE = "https://app.test"
SHARING = Origins(hosts(["api.test"]), pages([PAGE]))
PATHS = ["/", "/_inference/_all", "/v1/models", "/v1/messages", "/v2/rerank", "/metrics", "/nowhere"]
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


async def _exposition() -> bytes:
    return b"counters"


def entrance(world: World, origins: Origins = CLOSED, prefix: tuple[str, ...] = ()) -> Application:
    watching = operations.routes(_exposition, stopping=lambda: False)
    return Application(world, extra=watching, origins=origins, prefix=prefix)


@pytest.mark.parametrize("path", PATHS)
def test_no_face_answers_for_a_rebound_name(make_world: Callable[..., World], path: str) -> None:
    """A page whose name means this machine is refused at every face, in its form, and told what would let it in."""
    told = entrance(make_world())("GET", path, headers={"host": "rebound.test"})
    assert told.status == 403
    assert b"--allowed-hosts" in told.body


@pytest.mark.parametrize("path", sorted(operations.PROBES))
def test_a_probe_needs_no_name(make_world: Callable[..., World], path: str) -> None:
    """Those who probe know an address, which is different for each server; they learn no more than that it lives."""
    ask = entrance(make_world(), SHARING, ("inferpoint",))
    for probed in (path, f"/inferpoint{path}"):
        assert ask("GET", probed, headers={"host": "10.1.2.3:9210"}).status == 200
    assert ask("GET", "/metrics").status == 404
    assert ask("GET", "/inferpoint/metrics", headers={"host": "10.1.2.3:9210"}).status == 403


@pytest.mark.parametrize("path", PATHS)
def test_a_page_that_may_ask_is_answered(make_world: Callable[..., World], path: str) -> None:
    """Its browser asks first, with no key, and is told what it may; every answer may be read, also an error."""
    ask = entrance(make_world(), SHARING)
    page = {"host": "api.test", "origin": PAGE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    before = ask("OPTIONS", path, headers={**page, **PREFLIGHT})
    assert (before.status, before.body, before.headers["access-control-allow-origin"]) == (204, b"", PAGE)
    assert before.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in before.headers["access-control-allow-methods"]
    for method in ("GET", "POST", "PATCH"):
        told = ask(method, path, headers=page)
        assert (told.headers["access-control-allow-origin"], told.headers["vary"]) == (PAGE, "Origin")
        assert told.headers["access-control-expose-headers"] == "*"
        assert "access-control-allow-credentials" not in told.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "page",
    [
        {"origin": "https://evil.test", "sec-fetch-site": "cross-site"},
        {"origin": "https://app.test.evil.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
def test_a_page_that_may_not_ask_learns_nothing(
    make_world: Callable[..., World], path: str, page: Mapping[str, str]
) -> None:
    """Neither before nor after: 403, and no header by which its browser would let it read that."""
    ask = entrance(make_world(), SHARING)
    for method, more in (("GET", {}), ("POST", {"content-type": "text/plain"}), ("OPTIONS", PREFLIGHT)):
        told = ask(method, path, headers={"host": "api.test", **page, **more})
        assert told.status == 403
        assert "access-control-allow-origin" not in told.headers
        assert told.headers["vary"] == "Origin"


def test_a_page_reads_a_stream(faces: Callable[..., Application]) -> None:
    """Its first byte comes with the headers that let it be read."""
    ask = Application(faces().world, origins=SHARING)
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}], "stream": True}
    told = ask("POST", "/v1/chat/completions", body, headers={"host": "api.test", "origin": PAGE})
    assert told.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/", "/_inference/_all", "/v1/models"])
def test_everything_is_below_the_prefix(make_world: Callable[..., World], path: str) -> None:
    """And nothing beside it, nor by a path that only looks like it."""
    ask = entrance(make_world(), prefix=("team-a", "inferpoint"))
    assert ask("GET", f"/team-a/inferpoint{path}").status == 200
    for wrong in (path, f"/team-a{path}", f"/inferpoint/team-a{path}", f"/team-a/inferpoints{path}"):
        told = ask("GET", wrong)
        assert told.status == 404
        assert wrong in told.json["error"]
    assert ask("GET", f"/team-a%2Finferpoint{path}").status == 404
    assert ask("GET", f"/x/../team-a/inferpoint{path}").status == 404


def test_an_error_names_the_whole_path(make_world: Callable[..., World]) -> None:
    """As its caller wrote it, and each face in its own words."""
    ask = entrance(make_world(), prefix=("inferpoint",))
    assert ask("POST", "/inferpoint/v2/none").json == {"message": "no such address: POST /inferpoint/v2/none"}


def test_one_key_takes_no_more_than_its_part(
    faces: Callable[..., Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it another request is refused at once, with when to come again, until one of them ends; others go on."""
    monkeypatch.setattr(server, "ANONYMOUS", requests.Caller("nobody"))
    ask = faces(lambda _: Arrived(200, [HANG]))
    application = Application(ask.world, requests_per_key=2)

    async def main() -> tuple[Told, Told]:
        first, second, third, fourth = (application.caller() for _ in range(4))
        for caller in (first, second, third):
            caller.say(request("POST", "/v1/embeddings", {"model": "vectors", "input": str(id(caller))}))
            await settle()
        await third.answered()
        first.leave()
        await first.answered()
        fourth.say(request("GET", "/v1/models"))
        await fourth.answered()
        second.leave()
        await second.answered()
        return Told(third.told), Told(fourth.told)

    refused, answered = ask.world.run(main())
    assert (refused.status, refused.headers["retry-after"], answered.status) == (503, "1", 200)
    assert "as many requests in work as it may have, [2]" in refused.json["error"]["message"]


def test_a_crowd_counts_each_key_alone() -> None:
    """And nothing is remembered of whoever has left."""
    counted = Crowd(1)
    one, other = requests.Caller("one"), requests.Caller("other")
    for _ in range(3):
        counted.enter(one)
        counted.enter(other)
        with pytest.raises(InferenceError, match=r"The key \[one\]") as caught:
            counted.enter(one)
        assert (caught.value.kind, caught.value.retry_after) == (Kind.OVERLOADED, 1.0)
        for caller in (one, other):
            counted.leave(caller)
    assert not counted._counts


BREAK = "a\r\nSet-Cookie: b=c\r\n\r\nHTTP/1.1 200 OK\x1b[2J\0\u2028"


@pytest.mark.parametrize(
    "ask",
    [
        ("PUT", "/_inference/text_embedding/{}", {"service": "openai", "service_settings": {"api_key": "k"}}),
        ("POST", "/_inference/{}", {"input": "a"}),
        ("POST", "/v1/chat/completions", {"model": BREAK, "messages": [{"role": "user", "content": BREAK}]}),
        (
            "POST",
            "/v1/chat/completions",
            {"model": "chat", "messages": [{"role": BREAK, "content": ""}], "user": BREAK},
        ),
        ("POST", "/v1/embeddings", {"model": "vectors", "input": BREAK, "user": BREAK, BREAK: BREAK}),
        ("POST", "/v1/messages", {"model": BREAK, "max_tokens": 1, "messages": [], "metadata": {"user_id": BREAK}}),
        ("POST", "/v2/rerank", {"model": BREAK, "query": BREAK, "documents": [BREAK]}),
        ("GET", "/v1/models/{}", None),
        ("GET", "/v1/responses/{}", None),
        ("GET", "/{}", None),
    ],
)
def test_no_text_becomes_a_header_or_a_line(faces: Callable[..., Application], ask: tuple[str, str, Any]) -> None:
    """Ids, models and users with line breaks and escapes in them: one answer, its own headers, one line of the log."""
    method, path, body = ask
    application = faces()
    name = "".join(f"%{byte:02x}" for byte in BREAK.encode())
    told = application(method, path.format(name), body, headers={"x-opaque-id": "a\tb"})
    assert told.headers.keys().isdisjoint({"set-cookie", "Set-Cookie"})
    assert len(told.body) == int(told.headers["content-length"])
    for line in (text_line(application.world.log[-1]), json_line(application.world.log[-1])):
        assert line.count(b"\n") == 1
        assert not any(byte in line for byte in (b"\r", b"\x1b", b"\0"))


@pytest.mark.parametrize(
    "value", ['6.6.6.6 kind=internal reason="x"', "6.6.6.6\x0bforged", "a" * 5000, "::1%\x7fforged", "\xff\xfe"]
)
def test_no_word_of_a_proxy_becomes_another_line(faces: Callable[..., Application], value: str) -> None:
    """An address that is told is an address in the log, or is not there."""
    application = faces()
    http = HttpServer(application.server, ConnectionLimits(), [], frozenset(), TrustedProxies.parsed(["10.0.0.0/8"]))

    async def main() -> None:
        caller = Caller(http)
        caller.say(head("GET /_inference/none HTTP/1.1", {"host": "localhost", "x-forwarded-for": value}))
        await caller.answered()
        caller.leave()

    application.world.run(main())
    (answered,) = application.world.log
    assert answered.client == "10.0.0.1"
    assert json.loads(json_line(answered))["client"] == "10.0.0.1"


def test_the_log_tells_the_client_and_not_its_proxy(faces: Callable[..., Application]) -> None:
    """Also of what was no request of its own, where nobody can tell for whom the proxy asked."""
    application = faces()
    proxies = TrustedProxies.parsed(["10.0.0.0/8"])

    async def main() -> None:
        caller = Caller(HttpServer(application.server, ConnectionLimits(), [], frozenset(), proxies))
        caller.say(head("GET /_inference/none HTTP/1.1", {"host": "localhost", "x-forwarded-for": "203.0.113.9"}))
        await caller.answered()
        caller.say(b"nonsense\n\n")
        await asyncio.sleep(0)

    application.world.run(main())
    assert [answered.client for answered in application.world.log] == ["203.0.113.9", "10.0.0.1"]


def test_the_host_that_a_proxy_was_asked_for_is_the_servers(make_world: Callable[..., World]) -> None:
    """Pages of the outer name are the server's own, and those of the name by which its proxy knows it are nobody's."""
    application = entrance(make_world(), Origins(hosts(["api.test"]), pages([])))
    http = HttpServer(application.server, ConnectionLimits(), [], frozenset(), TrustedProxies.parsed(["10.0.0.0/8"]))

    def status(headers: Mapping[str, str]) -> int:
        async def main() -> int:
            caller = Caller(http)
            caller.say(head("GET / HTTP/1.1", {"host": "inner:9210", **headers}))
            await caller.answered()
            caller.leave()
            return Told(caller.told).status

        return application.world.run(main())

    outer = {"x-forwarded-for": "203.0.113.9", "x-forwarded-host": "api.test", "x-forwarded-proto": "https"}
    assert status(outer) == status({**outer, "origin": "https://api.test"}) == 200
    assert status({}) == status({**outer, "origin": "http://api.test"}) == 403
    assert status({**outer, "x-forwarded-host": "evil.test"}) == status({**outer, "origin": "http://inner:9210"}) == 403


def test_an_endpoint_is_asked_by_an_old_client_too(make_world: Callable[..., World]) -> None:
    """HTTP/1.0 without a host is no browser."""
    world = make_world()
    world.create("vectors", EMBEDDING, openai())
    application = entrance(world)

    async def main() -> Told:
        caller = application.caller()
        caller.say(b"GET /_inference/vectors HTTP/1.0\r\n\r\n")
        await caller.answered()
        return Told(caller.told)

    assert world.run(main()).status == 200
