"""A few hundred odd requests and replies; `make fuzz` tries thousands, and others each time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from broken_provider import BrokenProvider
from bytes_on_the_wire import Broken
from emulated_provider import Asked, Provider, chunk
from fuzz import Fuzzed, fuzzed
from raw_http import Answered, ask, begin_on, connection
from real_processes import PATIENCE, Inferpoint


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with fuzzed(tmp_path_factory.mktemp("fuzz") / "data", steady=True) as running:
        yield running


def test_any_request_is_answered_in_elasticsearchs_words(target: Fuzzed) -> None:
    """Whatever a request holds, its answer is whole, the product's, and never an error of our own."""
    target.http(400)


def test_any_bytes_do_no_harm(target: Fuzzed) -> None:
    """Whatever a connection says, the server lives, and what it answers is the product's."""
    target.raw(400)


def test_any_reply_becomes_an_answer(target: Fuzzed) -> None:
    """Whatever a provider replies, whole or streamed, the caller has one whole answer in Elasticsearch's words."""
    target.replies(120)


def test_a_wrong_flag_is_refused_in_elasticsearchs_words(server: Inferpoint) -> None:
    """A flag that is neither true nor false is a 400, and no second fault where something else is wrong already."""
    answered = ask(server.url, "GET", "/_inference?pretty=maybe")
    assert answered.status == 400
    assert answered.reason == "Failed to parse value [maybe] as only [true] or [false] are allowed."
    assert ask(server.url, "GET", "/nowhere?pretty=maybe").status == 404


@pytest.fixture
def refused(server: Inferpoint, inference_id: str) -> Iterator[Callable[[bytes], Answered]]:
    """A function that gives a caller's answer to a provider's reply with a head of the test's own."""
    with BrokenProvider() as provider:
        config = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "m", "url": provider.url}}
        path = f"/_inference/text_embedding/{inference_id}"
        assert ask(server.url, "PUT", f"{path}?skip_validation=true", config).status == 200

        def asked(head: bytes) -> Answered:
            provider.reply = Broken((head + b"\r\nContent-Length: 0\r\n\r\n",), hangs_up=True)
            return ask(server.url, "POST", f"{path}?timeout=300ms", {"input": "x"})

        yield asked


@pytest.mark.parametrize("status", [304, 599])
def test_a_status_that_has_no_body_is_not_passed_on(refused: Callable[[bytes], Answered], status: int) -> None:
    """A provider's 304 would make of our body the next answer: it is a 400, as its 5xx are."""
    answered = refused(b"HTTP/1.1 %d Odd" % status)
    assert answered.status == 400
    assert f"status [{status}]" in answered.reason


def test_an_endless_wait_is_a_day(refused: Callable[[bytes], Answered]) -> None:
    """What a provider asks to wait is passed on, but never without end."""
    answered = refused(b"HTTP/1.1 429 Slow\r\nRetry-After-Ms: inf")
    assert (answered.status, answered.headers["retry-after"]) == (429, "86400")


def test_a_header_may_hold_any_bytes(refused: Callable[[bytes], Answered]) -> None:
    """What is quoted of a provider's headers can be written again."""
    answered = refused(b"HTTP/1.1 429 Slow\r\nX-RateLimit-Limit-Tokens: 7\xff")
    assert answered.status == 429
    assert "Token limit [7\ufffd]" in answered.reason


def test_chunks_that_break_in_the_middle_are_an_error(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str]
) -> None:
    """A provider whose chunked body breaks off into something else is cut off, and not waited for."""
    begun = threading.Event()

    def breaks(asked: Asked) -> None:
        asked.begin(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        asked.send(b"%x\r\n%b\r\n" % (len(chunk("hi")), chunk("hi")))
        begun.wait(PATIENCE)
        asked.send(b"zz\r\n")

    path = f"/_inference/{completion_on(provider(breaks))}/_stream"
    with closing(connection(server.url)) as line, begin_on(line, "POST", path, {"input": "x"}) as answer:
        answer.readline()
        begun.set()
        said = answer.read()
    assert b"the body ended early" in said
    assert b"[DONE]" not in said
