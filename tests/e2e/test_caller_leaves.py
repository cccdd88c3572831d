"""A caller that leaves: the provider's connection is closed, and the place in the queue given back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing

import pytest
from emulated_provider import Asked, Provider, chunk, silence
from raw_http import ask, begin_on, connection, plugged
from real_processes import PATIENCE, Inferpoint, eventually


def waiting(server: Inferpoint) -> float:
    """How many calls wait for their turn, by the server's own count."""
    found = re.search(rb"^inferpoint_waiting_calls (\S+)$", ask(server.url, "GET", "/metrics").body, re.MULTILINE)
    assert found
    return float(found[1])


def post(path: str) -> bytes:
    """A request as bytes, for a caller that will not wait for its answer."""
    body = json.dumps({"input": "x"}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("form", ["", "/_stream"], ids=["whole", "streamed"])
def test_leaving_closes_the_provider_that_never_answers(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str], form: str
) -> None:
    """When the caller leaves, the provider sees its connection closed though it never said a word."""
    silent = provider(silence)
    inference_id = completion_on(silent)
    with plugged(server.url) as line:
        line.sendall(post(f"/_inference/completion/{inference_id}{form}"))
        asked = silent.next()
        assert not asked.left.is_set()
    assert asked.left.wait(PATIENCE)
    server.until(rf"POST /_inference/completion/{inference_id}{form} 499 ".encode())


def test_leaving_in_the_middle_of_a_stream_closes_the_provider(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str]
) -> None:
    """A provider that has begun to answer sees its connection closed too."""

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first"))
        asked.until_left()

    half = provider(act)
    path = f"/_inference/completion/{completion_on(half)}/_stream"
    with closing(connection(server.url)) as line, begin_on(line, "POST", path, {"input": "x"}) as response:
        assert response.readline() == b"event: message\n"
    assert half.next().left.wait(PATIENCE)


@pytest.mark.parametrize("form", ["", "/_stream"], ids=["whole", "streamed"])
def test_leaving_the_queue_leaves_no_gap_in_it(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str], form: str
) -> None:
    """A caller that waits for its turn and leaves is no longer in the queue, and the provider is never asked."""
    silent = provider(silence)
    # One request a minute: the first goes at once, the second has to wait for the better part of a minute.
    inference_id = completion_on(silent, rate_limit={"requests_per_minute": 1})
    path = f"/_inference/completion/{inference_id}{form}"
    before = waiting(server)
    with plugged(server.url) as first:
        first.sendall(post(path))
        silent.next()
        with plugged(server.url) as second:
            second.sendall(post(path))
            eventually(lambda: waiting(server) == before + 1)
        server.until(rf"POST {path} 499 ".encode())
        assert waiting(server) == before
    assert silent.asked.empty()


def test_an_embedding_in_many_calls_is_given_up_in_all_of_them(
    server: Inferpoint, provider: Callable[..., Provider], inference_id: str
) -> None:
    """A list that became several calls has each of them closed when the caller leaves."""
    silent = provider(silence)
    config = {"service": "hugging_face", "service_settings": {"api_key": "hf", "url": silent.url}}
    path = f"/_inference/text_embedding/{inference_id}"
    assert ask(server.url, "PUT", f"{path}?skip_validation=true", config).status == 200
    body = json.dumps({"input": [f"x {number}" for number in range(70)]}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with plugged(server.url) as line:
        line.sendall(head.encode() + body)
        calls = [silent.next() for _ in range(3)]
    assert sorted(len(call.json["inputs"]) for call in calls) == [6, 32, 32]
    assert all(call.left.wait(PATIENCE) for call in calls)
