"""Being told to stop: what is in flight is finished, what is new is refused."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import pytest
from emulated_provider import END, Asked, Provider, chunk, said, silence
from raw_http import Answered, ask, ask_on, begin_on, connection, events, everything, plugged
from real_processes import Inferpoint, eventually


def made(server: Inferpoint, provider: Provider) -> str:
    """The path of a completion endpoint on *provider*."""
    settings = {"api_key": "sk-test", "model_id": "m", "url": provider.url}
    path = "/_inference/completion/chat"
    config = {"service": "openai", "service_settings": settings}
    assert ask(server.url, "PUT", f"{path}?skip_validation=true", config).status == 200
    return path


def refuses(server: Inferpoint) -> bool:
    """Whether a new connection is refused, or was waiting to be taken when nobody would any more."""
    try:
        with plugged(server.url):
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_finished(
    tmp_path: Path, provider: Callable[..., Provider], number: signal.Signals
) -> None:
    """A stream and a plain request end whole, new connections are refused, idle ones closed, the status is 0."""
    release = threading.Event()

    def act(asked: Asked) -> None:
        if asked.json["stream"]:
            asked.stream()
            asked.send(chunk("first"))
            release.wait(60)
            asked.send(chunk("last") + END)
        else:
            release.wait(60)
            asked.answer(said("whole"))

    answers: list[Answered] = []
    slow = provider(act)
    with Inferpoint(tmp_path / "data") as server, closing(connection(server.url)) as idle:
        path = made(server, slow)
        plain = threading.Thread(target=lambda: answers.append(ask(server.url, "POST", path, {"input": "x"})))
        plain.start()
        slow.next()
        assert ask_on(idle, "GET", "/readyz").json == {"status": "ready"}
        with (
            closing(connection(server.url)) as line,
            begin_on(line, "POST", f"{path}/_stream", {"input": "x"}) as response,
        ):
            arriving = events(iter(response))
            assert "first" in next(arriving)[1]
            server.tell(number)
            eventually(lambda: refuses(server))
            assert everything(idle.sock) == b""
            release.set()
            assert [json.loads(data) if data[0] == "{" else data for _, data in arriving] == [
                {"completion": [{"delta": "last"}]},
                "[DONE]",
            ]
        plain.join(60)
        assert [answered.json for answered in answers] == [{"completion": [{"result": "whole"}]}]
        assert server.ended() == 0
        assert b"Traceback" not in server.written


def test_a_request_without_end_does_not_keep_the_server(tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """What is not finished by the deadline of the shutdown is given up, says so, and the status is 0 all the same."""
    silent = provider(silence)
    with Inferpoint(tmp_path / "data", "--shutdown-seconds=1") as server, plugged(server.url) as line:
        path = made(server, silent)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n"
        line.sendall(head.encode() + b'{"input": "x"}')
        asked = silent.next()
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
        assert asked.left.wait(60)
        assert b"The server was stopped before its answer" in everything(line)
        assert b"Traceback" not in server.written


def test_an_idle_server_stops_at_once(tmp_path: Path) -> None:
    """Without anything in flight the end comes without waiting for the deadline."""
    with Inferpoint(tmp_path / "data", "--shutdown-seconds=3600") as server:
        server.tell(signal.SIGTERM)
        assert server.ended() == 0


def test_a_stream_without_end_is_broken_off(tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """A stream that outlives the deadline of the shutdown ends without `[DONE]`, and the log without a traceback."""

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first"))
        asked.until_left()

    half = provider(act)
    with Inferpoint(tmp_path / "data", "--shutdown-seconds=1") as server, closing(connection(server.url)) as line:
        path = made(server, half)
        with begin_on(line, "POST", f"{path}/_stream", {"input": "x"}) as response:
            assert response.readline() == b"event: message\n"
            server.tell(signal.SIGTERM)
            with pytest.raises(HTTPException):
                response.read()
        assert server.ended() == 0
        assert half.next().left.wait(60)
        assert b"Traceback" not in server.written


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_drains_says_so_and_goes_on(tmp_path: Path, workers: int) -> None:
    """New connections are answered, but `/readyz` says that they should go elsewhere; told again it ends at once."""
    with Inferpoint(tmp_path / "data", f"--workers={workers}", "--drain-seconds=3600") as server:
        assert ask(server.url, "GET", "/readyz").status == 200
        server.tell(signal.SIGTERM)
        eventually(lambda: ask(server.url, "GET", "/readyz").status == 503)
        answered = ask(server.url, "GET", "/")
        assert (answered.status, answered.headers["connection"]) == (200, "close")
        assert ask(server.url, "GET", "/livez").status == 200
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
        assert b"Traceback" not in server.written


def test_draining_has_an_end(tmp_path: Path) -> None:
    """When its time is over the server takes no connections any more, and ends."""
    with Inferpoint(tmp_path / "data", "--drain-seconds=1") as server:
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
        assert refuses(server)
