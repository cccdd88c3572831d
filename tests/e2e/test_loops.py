"""Endpoints that lead back to their own server, or to one that leads back: a request goes round a few times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from raw_http import ask
from real_processes import Inferpoint, eventually

MOST = 4


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inferpoint, Inferpoint]]:
    """Two servers, the second reached by all addresses of this machine."""
    folder = tmp_path_factory.mktemp("loops")
    with Inferpoint(folder / "one") as one, Inferpoint(folder / "two", "--host=0.0.0.0", "--insecure") as two:
        yield one, two


def leads(server: Inferpoint, inference_id: str, url: str, headers: dict[str, str] | None = None) -> None:
    """Make an endpoint of chats whose address is that of a server's own chats."""
    settings = {"api_key": "sk-test", "model_id": inference_id, "url": f"{url}/v1/chat/completions"}
    config = {"service": "openai", "service_settings": settings, "task_settings": {"headers": headers or {}}}
    if not headers:
        del config["task_settings"]
    made = ask(server.url, "PUT", f"/_inference/completion/{inference_id}?skip_validation=true", config)
    assert made.status == 200, made.body


def rounds(pair: tuple[Inferpoint, Inferpoint]) -> int:
    """How many requests each server had from the other, by their logs."""
    return sum(server.written.count(b"POST /v1/chat/completions") for server in pair)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433"])
def test_a_server_does_not_call_itself(pair: tuple[Inferpoint, Inferpoint], host: str) -> None:
    """An endpoint with the address of its own server, however it is written, is refused before anything is sent."""
    for server in pair:
        leads(server, "own", server.url.replace("127.0.0.1", host))
        answer = ask(server.url, "POST", "/_inference/completion/own", {"input": "x"})
        assert answer.status == 400
        assert "may not be called" in answer.reason
        assert ask(server.url, "DELETE", "/_inference/own").status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"User-Agent": "mine"}, {"User-Agent": "mine", "X-Inferpoint-Hop": "0"}, {"x-inferpoint-hop": "0"}]
)
def test_a_request_goes_round_a_few_times(pair: tuple[Inferpoint, Inferpoint], headers: dict[str, str]) -> None:
    """Two servers that name each other, whatever headers they are told to send, answer soon that they do."""
    one, two = pair
    leads(one, "round", two.url, headers)
    leads(two, "round", one.url, headers)
    before = rounds(pair)
    answer = ask(one.url, "POST", "/_inference/completion/round", {"input": "x"})
    assert answer.status == 400
    assert f"came through more than {MOST} servers" in answer.reason
    for server in pair:
        assert ask(server.url, "DELETE", "/_inference/round").status == 200
    eventually(lambda: rounds(pair) - before >= MOST + 1)  # the log is written when there is time
    assert rounds(pair) - before == MOST + 1
