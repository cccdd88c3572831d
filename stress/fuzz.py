"""A real server asked what nobody asks, by callers and by providers: it must answer in its own words, and live.

Run as `make fuzz`, or `make fuzz EXAMPLES=20000`. What is found is printed as small as it can be made.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from broken_provider import BrokenProvider
from bytes_on_the_wire import Broken, replies, spoken
from emulated_provider import Asked, Provider
from emulated_provider import said as completion
from generated_requests import KEPT, Asking, requests
from hypothesis import HealthCheck, given, settings
from raw_http import ask, plugged
from real_processes import Inferpoint, moved_to
from watched import Watched

LARGEST_BODY = 1_000_000
MORE_MEGABYTES = 200  # at most, over what the server takes at rest
NOT_HTTP = b"Invalid HTTP request received."  # what is not HTTP never comes to a face, which has the words


class Fuzzed:
    """A server, the endpoints it keeps, and what is thrown at it: when *steady*, the same each time."""

    def __init__(self, server: Inferpoint, provider: Provider, broken: BrokenProvider, *, steady: bool) -> None:
        self._steady = steady
        self._server = server
        self._provider = provider
        self._broken = broken
        for name, kind, url in (
            ("text", "text_embedding", provider.url),
            ("chat", "completion", provider.url),
            ("small", "completion", provider.url),
            ("broken-text", "text_embedding", broken.url),
            ("broken-chat", "completion", broken.url),
        ):
            given = {
                "api_key": "sk-test",
                "model_id": name,
                "url": url,
                "rate_limit": {"requests_per_minute": 100_000_000},
            }
            path = f"/_inference/{kind}/{name}?skip_validation=true"
            made = ask(server.url, "PUT", path, {"service": "openai", "service_settings": given})
            assert made.status == 200, made.body

    def http(self, examples: int) -> None:
        """Requests that are HTTP."""

        @given(requests(self._provider.url))
        def one(asking: Asking) -> None:
            answered = self._said(asking.written())
            judged_alone(answered, asking.method, filtered="filter_path" in asking.target)

        _tried(one, examples, steady=self._steady)

    def raw(self, examples: int) -> None:
        """Requests that need not be."""

        @given(spoken())
        def one(data: bytes) -> None:
            answered = _Said(self._said(data, leaves=True))
            with suppress(http.client.IncompleteRead):  # it left before it was answered
                while answered.tell() < len(answered.getvalue()):
                    judged(answered, "GET")

        _tried(one, examples, steady=self._steady)

    def replies(self, examples: int) -> None:
        """Replies of providers, whole and streamed."""

        @given(replies())
        def one(reply: Broken) -> None:
            for path in ("broken-text", "broken-chat", "broken-chat/_stream"):
                # A stream that has begun may be silent for as long as its caller stays.
                self._broken.reply = replace(reply, hangs_up=True) if path.endswith("_stream") else reply
                body = b'{"input": "x"}'
                fields = {"Host": "localhost", "Content-Type": "application/json"}
                asking = Asking("POST", f"/_inference/{path}?timeout=100ms", fields, body)
                judged_alone(self._said(asking.written()), "POST")
            self._broken.hang_up()

        _tried(one, examples, steady=self._steady)

    def _said(self, data: bytes, *, leaves: bool = False) -> bytes:
        """All that is answered to *data*, by whose end it asks to be left, or *leaves*."""
        with closing(plugged(self._server.url)) as line:
            with suppress(OSError):  # it hung up on what it does not read
                line.sendall(data)
            if leaves:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_WR)
            pieces: list[bytes] = []
            with suppress(ConnectionError):
                while piece := line.recv(65536):
                    pieces.append(piece)
            return b"".join(pieces)


def judged_alone(said: bytes, method: str, *, filtered: bool = False) -> None:
    """One answer and nothing after it, which a client would take for its next."""
    data = _Said(said)
    judged(data, method, filtered=filtered)
    assert not data.read(), said[:2000]


def judged(data: _Said, method: str, *, filtered: bool = False) -> None:
    """What the next answer is: the product's, and Elasticsearch's words when it is a refusal."""
    answer = http.client.HTTPResponse(data, method=method)  # type: ignore[arg-type]
    answer.begin()
    body = answer.read()
    seen = f"{answer.status} {answer.headers.items()} {body[:2000]!r}"
    assert answer.headers["X-Elastic-Product"] == "Elasticsearch", seen
    assert 200 <= answer.status < 600, seen
    assert b"An internal error happened" not in body, seen
    if (answer.status, body) == (400, NOT_HTTP):
        return
    if method == "HEAD" or filtered or answer.headers["Content-Type"].startswith("text/plain; version="):
        return
    if answer.headers["Content-Type"] == "text/event-stream":
        for line in body.splitlines():
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                assert "error" not in event or answer.status in (200, event["status"]), seen
    elif answer.status >= 300:
        error = json.loads(body)
        assert error["status"] == answer.status, seen
        assert isinstance(error["error"], str) or {"type", "reason", "root_cause"} <= error["error"].keys(), seen
    else:
        json.loads(body)


class _Said(io.BytesIO):
    """Bytes that were received, for a reader that wants a socket."""

    def makefile(self, *_: object) -> io.BytesIO:
        return self

    def close(self) -> None:
        """Not yet: what is left unread is looked at."""


@contextmanager
def fuzzed(folder: Path, *, steady: bool = False) -> Iterator[Fuzzed]:
    """A server to throw things at; at the end it must be as it was."""

    def act(asked: Asked) -> None:
        asked.answer(completion("hi") if "/chat" in asked.path else {**completion("hi"), "data": []})

    with Provider(act) as provider, BrokenProvider() as broken:
        env = moved_to(provider.url)
        with Inferpoint(folder, f"--max-body-bytes={LARGEST_BODY}", env=env) as server:
            watched = Watched(server)
            at_rest = watched.megabytes()
            yield Fuzzed(server, provider, broken, steady=steady)
            broken.hang_up()
            provider.hang_up()
            watched.rested()
            assert watched.megabytes("HWM") < at_rest + MORE_MEGABYTES
            assert {each["inference_id"] for each in ask(server.url, "GET", "/_inference").json["endpoints"]} & {*KEPT}
            print(f"memory {at_rest} MB at rest, {watched.megabytes('HWM')} at most, {watched.megabytes()} at the end")


def _tried(one: Callable[[], None], examples: int, *, steady: bool) -> None:
    checks = list(HealthCheck)
    settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks, derandomize=steady)(
        one
    )()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=5000, help="How many of each kind to try.")
    examples = parser.parse_args().examples
    with tempfile.TemporaryDirectory() as folder, fuzzed(Path(folder) / "data") as target:
        for kind in (target.http, target.raw, target.replies):
            kind(examples)
            print(f"{kind.__name__}: {examples} tried")


if __name__ == "__main__":
    main()
