"""HTTP as the official clients, browsers and strangers speak it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from emulated_provider import Provider, silence
from raw_http import ask, ask_on, connection, everything, plugged
from real_processes import Inferpoint, environ, run, serving

VENDOR = "application/vnd.elasticsearch+json; compatible-with={}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inferpoint]:
    """A server that takes bodies of up to a thousand bytes."""
    with Inferpoint(tmp_path_factory.mktemp("small") / "data", "--max-body-bytes=1000") as running:
        yield running


def said(server: Inferpoint, request: bytes) -> bytes:
    """What comes back for *request* until the server closes."""
    with plugged(server.url) as line:
        line.sendall(request)
        return everything(line)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:9210"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
def test_a_page_from_elsewhere_is_refused(server: Inferpoint, headers: dict[str, str]) -> None:
    """A browser's page reaches nothing, whether it came by a name of its own or by ours."""
    for method, path in (("GET", "/"), ("GET", "/_inference"), ("GET", "/metrics"), ("PUT", "/_inference/x")):
        answered = ask(server.url, method, path, headers=headers)
        assert answered.status == 403
        assert answered.json["error"]["type"] == "security_exception"
        assert answered.headers["x-elastic-product"] == "Elasticsearch"


def test_this_machines_own_names_are_taken(server: Inferpoint) -> None:
    """Every name of this machine reaches the server, and so does a page of its own."""
    port = server.url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "localhost", "LOCALHOST"):
        assert ask(server.url, "GET", "/", headers={"Host": host}).status == 200
    own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
    assert ask(server.url, "GET", "/", headers=own).status == 200


def test_a_body_that_says_it_is_too_large_is_not_read(server: Inferpoint) -> None:
    """A length beyond 100 MiB is a 413 at once, though not one byte of the body was sent, and the connection ends."""
    head = b"PUT /_inference/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857601\r\n\r\n"
    answered = said(server, head)
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b"The request body is larger than [104857600] bytes" in answered
    assert b"connection: close" in answered
    assert b"x-elastic-product: Elasticsearch" in answered


def test_a_body_that_waits_to_be_asked_for_is_not(server: Inferpoint) -> None:
    """With `Expect: 100-continue` a body too large is refused before it is sent, and another is asked for."""
    head = b"POST /_inference/none HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n"
    assert said(server, head + b"Content-Length: 104857601\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    with plugged(server.url) as line:
        line.sendall(head + b"Content-Length: 14\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 100 ")
        line.sendall(b'{"input": "x"}')
        assert everything(line).startswith(b"HTTP/1.1 404 ")


def test_chunks_beyond_the_limit_are_read_no_further(small: Inferpoint) -> None:
    """A body in chunks, whose length nobody says, is a 413 as soon as it is too large, and the connection ends."""
    with plugged(small.url) as line:
        line.sendall(b"PUT /_inference/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        line.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        line.sendall(b"1\r\nx\r\n")
        answered = everything(line)
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b"larger than [1000] bytes" in answered


def test_a_body_of_the_limit_is_taken(small: Inferpoint) -> None:
    """The largest body is read, in one piece, in chunks, and compressed."""
    body = json.dumps({"input": "x"}).ljust(1000).encode()
    head = b"POST /_inference/none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + body + b"\r\n0\r\n\r\n"
    assert said(small, head + chunks).startswith(b"HTTP/1.1 404 ")
    assert ask(small.url, "POST", "/_inference/none", body).status == 404
    headers = {"Content-Encoding": "gzip"}
    assert ask(small.url, "POST", "/_inference/none", gzip.compress(body), headers).status == 404
    assert ask(small.url, "POST", "/_inference/none", body + b" ").status == 413


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(server: Inferpoint) -> None:
    """A gzip bomb is a 413, and a body that is no gzip a 400."""
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 1)
    answered = ask(server.url, "POST", "/_inference/none", bomb, {"Content-Encoding": "gzip"})
    assert answered.status == 413
    assert answered.reason == "The request body is larger than [104857600] bytes"
    for broken in (b"no gzip", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") + b"more"):
        assert ask(server.url, "POST", "/_inference/none", broken, {"Content-Encoding": "gzip"}).status == 400
    assert ask(server.url, "POST", "/_inference/none", b"{}", {"Content-Encoding": "br"}).status == 406


def test_head_is_get_without_a_body(server: Inferpoint) -> None:
    """`HEAD /` is how clients ping: 200, the length of GET's body and no body, also where the path is unknown."""
    got = ask(server.url, "GET", "/")
    head = ask(server.url, "HEAD", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["x-elastic-product"] == "Elasticsearch"
    assert ask(server.url, "HEAD", "/_inference/none").status == 404
    assert ask(server.url, "HEAD", "/nowhere").body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/_inference", "/_inference/completion/none/_stream", "/nowhere", "/%ff/%00"])
def test_every_answer_says_what_it_is(server: Inferpoint, method: str, path: str) -> None:
    """Whatever is asked, the answer names the product, has a type that clients read, and an error its status."""
    answered = ask(server.url, method, path, headers={"X-Opaque-Id": "mine"})
    assert answered.headers["x-elastic-product"] == "Elasticsearch"
    assert answered.headers["x-opaque-id"] == "mine"
    assert answered.headers["content-type"] in ("application/json", "text/event-stream")
    if answered.status >= 400 and answered.body and answered.headers["content-type"] == "application/json":
        assert answered.json["status"] == answered.status


def test_what_is_not_there_has_elasticsearchs_words(server: Inferpoint) -> None:
    """An unknown path is a 404 and a method that it does not have a 405, each with its text under `error`."""
    answered = ask(server.url, "GET", "/_search?q=x")
    assert answered.status == 404
    assert answered.json["error"].startswith("no handler found for uri [/_search")
    answered = ask(server.url, "DELETE", "/_inference")
    assert answered.status == 405
    assert answered.headers["allow"] == "GET"
    assert answered.json["error"] == ("Incorrect HTTP method for uri [/_inference] and method [DELETE], allowed: [GET]")


@pytest.mark.parametrize("version", ["8", "9"])
def test_the_vendors_media_type_is_taken_and_given(server: Inferpoint, version: str) -> None:
    """Clients of both majors are answered in the media type that they send."""
    headers = {"Content-Type": VENDOR.format(version), "Accept": VENDOR.format(version) + ",text/plain"}
    answered = ask(server.url, "POST", "/_inference/none", {"input": "x"}, headers)
    assert answered.status == 404
    assert answered.headers["content-type"] == f"application/vnd.elasticsearch+json;compatible-with={version}"
    assert ask(server.url, "GET", "/_inference", headers=headers).status == 200


def test_a_body_of_another_media_type_is_refused(server: Inferpoint) -> None:
    """What a browser's form sends is refused; JSON with a character set is taken."""
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answered = ask(server.url, "POST", "/_inference/none", {"input": "x"}, {"Content-Type": media_type})
        assert answered.json == {"error": f"Content-Type header [{media_type}] is not supported", "status": 406}
        assert answered.status == 406
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert ask(server.url, "POST", "/_inference/none", {"input": "x"}, headers).status == 404


def test_one_connection_takes_many_requests(server: Inferpoint, completion: str) -> None:
    """A connection is kept after answers, errors and streams alike."""
    with closing(connection(server.url)) as line:
        assert ask_on(line, "GET", "/").status == 200
        ours = line.sock.getsockname()
        for method, path, body in (
            ("POST", f"/_inference/{completion}", {"input": "how big"}),
            ("POST", f"/_inference/{completion}/_stream", {"input": "how big"}),
            ("POST", f"/_inference/{completion}/_stream", {"input": "wrong key"}),
            ("POST", f"/_inference/{completion}", {}),
            ("GET", "/nowhere", None),
            ("DELETE", "/", None),
            ("HEAD", "/", None),
            ("GET", "/_inference?unknown", None),
            ("GET", "/_inference", None),
        ):
            ask_on(line, method, path, body)
            assert line.sock.getsockname() == ours


def test_what_was_not_read_is_not_taken_for_a_request(server: Inferpoint) -> None:
    """The body of a request that was refused before it was read is never the next request."""
    hidden = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = len(hidden)
    for way in (b"Content-Length: %d\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n"):
        answered = said(server, b"PUT /nowhere HTTP/1.1\r\nHost: localhost\r\n" + way % length + hidden)
        assert answered.startswith(b"HTTP/1.1 404 ")
        assert b"alive" not in answered


def test_requests_sent_at_once_are_answered_in_order(server: Inferpoint) -> None:
    """Pipelined requests have one answer each, in their order."""
    asked = [b"GET /%d HTTP/1.1\r\nHost: localhost\r\n" % number for number in range(4)]
    answered = said(server, b"\r\n".join(asked) + b"Connection: close\r\n\r\n")
    places = [answered.find(b"[/%d]" % number) for number in range(4)]
    assert places == sorted(places)
    assert answered.count(b"HTTP/1.1 404 ") == 4


def test_a_body_pipelined_behind_another_is_its_own(server: Inferpoint, completion: str) -> None:
    """Two inferences sent at once are both answered."""
    body = b'{"input": "how big"}'
    head = f"POST /_inference/{completion} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
    answered = said(server, head + b"\r\n" + body + head + b"Connection: close\r\n\r\n" + body)
    assert answered.count(b'{"completion":[{"result":"Very big."}]}') == 2


def test_an_old_or_broken_request_does_no_harm(server: Inferpoint) -> None:
    """What is not HTTP/1.1 is answered or refused, and the server lives on."""
    assert said(server, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert said(server, b"no http at all\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert b" 400 " in said(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")
    absolute = b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert b'{"status":"alive"}' in said(server, absolute)
    upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    assert said(server, upgrade).startswith(b"HTTP/1.1 200 ")
    with plugged(server.url) as line:
        line.sendall(b"PUT /_inference/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
    assert ask(server.url, "GET", "/livez").json == {"status": "alive"}
    assert b"Traceback" not in server.written


def test_a_parameter_that_nobody_knows_is_refused(server: Inferpoint) -> None:
    """Misspelt parameters are named; the four that every route has are taken."""
    answered = ask(server.url, "GET", "/_inference?prety&timeout=1s")
    assert answered.status == 400
    assert answered.reason == "request [/_inference] contains unrecognized parameters: [prety], [timeout]"
    everywhere = "pretty=true&human=true&error_trace=true&filter_path=endpoints.inference_id"
    assert ask(server.url, "GET", f"/_inference?{everywhere}").status == 200


def test_answers_may_be_pretty_and_filtered(server: Inferpoint, completion: str) -> None:
    """`pretty` indents, `filter_path` keeps what it names, errors included."""
    path = f"/_inference/{completion}"
    pretty = ask(server.url, "GET", f"{path}?pretty")
    assert pretty.body.startswith(b'{\n  "endpoints": [\n    {\n')
    assert pretty.json == ask(server.url, "GET", path).json
    filtered = ask(server.url, "GET", f"{path}?filter_path=endpoints.*_id,endpoints.service_settings.model_id").json
    assert filtered == {"endpoints": [{"inference_id": completion, "service_settings": {"model_id": "gpt-4o-mini"}}]}
    assert ask(server.url, "GET", "/_inference/none?filter_path=status").json == {"status": 404}
    excluded = ask(server.url, "POST", f"{path}?filter_path=-completion", {"input": "how big"})
    assert excluded.json == {}


@pytest.mark.parametrize("place", ["query", "body"])
def test_a_provider_that_never_answers_times_out(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str], place: str
) -> None:
    """The timeout of the query or the body ends the wait with 408, whole and streamed, and leaves the provider."""
    silent = provider(silence)
    # At the usual rate the second call would have to wait for longer than it may take.
    path = f"/_inference/completion/{completion_on(silent, rate_limit={'requests_per_minute': 1_000_000})}"
    for form in ("", "/_stream"):
        query, body = ("?timeout=50ms", {}) if place == "query" else ("", {"timeout": "50ms"})
        answered = ask(server.url, "POST", path + form + query, {"input": "x", **body})
        assert answered.status == 408
        found = json.loads(answered.events[0][1]) if form else answered.json
        assert found["status"] == 408
        assert found["error"]["type"] == "timeout_exception"
        assert "50ms" in found["error"]["reason"]
        assert silent.next().left.wait(60)


def test_a_timeout_without_a_unit_is_refused(server: Inferpoint, completion: str) -> None:
    """Time has a unit, in the query and in the body."""
    path = f"/_inference/{completion}"
    for answered in (
        ask(server.url, "POST", f"{path}?timeout=30", {"input": "x"}),
        ask(server.url, "POST", path, {"input": "x", "timeout": "30"}),
    ):
        assert answered.status == 400
        assert "unit is missing or unrecognized" in answered.reason


def test_an_open_server_takes_any_host(tmp_path: Path) -> None:
    """Where the owner opened the server with `--insecure`, callers come by whatever name they know."""
    # The address that means all addresses is announced as it is; the server is reached by the loopback one.
    # With the other only this machine reaches it: a proxy here lets the others in.
    for host in ("0.0.0.0", "127.0.0.1"):
        with Inferpoint(tmp_path / "data", f"--host={host}", "--insecure") as server:
            assert ask(server.url, "GET", "/", headers={"Host": "inference.example"}).status == 200


def test_a_server_on_the_other_loopback_addresses(home: Path, tmp_path: Path) -> None:
    """IPv6 and the rest of 127.0.0.0/8 are this machine too, and a port that is taken is told in one sentence."""
    for host in ("::1", "127.0.0.2"):
        with Inferpoint(tmp_path / "first", "--host", host) as server:
            assert ask(server.url, "GET", "/livez").status == 200
            taken = server.url.removeprefix("http://")
            second = serving(tmp_path / "second", "--host", host, "--port", taken.rpartition(":")[2])
            done = run(second, environ(home))
            assert done.returncode == 1
            assert done.stderr == f"inferpoint: Cannot listen on {taken}: Address already in use\n"
