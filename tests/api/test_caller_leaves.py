"""A caller that leaves: what goes on for it ends at once, at every face, and its provider is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application, Caller, request
from world import COMPLETION, HANG, Arrived, openai

from inferpoint.model.http import Call

SAID = [{"role": "user", "content": "hi"}]
FIRST = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
WHOLE = [
    ("/_inference/vectors", {"input": "a"}),
    ("/_inference/chat", {"messages": SAID}),
    ("/v1/embeddings", {"model": "vectors", "input": "a"}),
    ("/v1/chat/completions", {"model": "chat", "messages": SAID}),
    ("/v1/messages", {"model": "chat", "max_tokens": 9, "messages": SAID}),
    ("/v2/rerank", {"model": "ranks", "query": "q", "documents": ["a"]}),
]
STREAMED = [
    ("/_inference/text/_stream", {"input": "a"}),
    ("/_inference/chat/_stream", {"messages": SAID}),
    ("/v1/chat/completions", {"model": "chat", "messages": SAID, "stream": True}),
    ("/v1/messages", {"model": "chat", "max_tokens": 9, "messages": SAID, "stream": True}),
]


@pytest.mark.parametrize(("path", "given"), [*WHOLE, *STREAMED])
def test_a_caller_that_leaves_before_its_answer_is_asked_for_no_more(
    faces: Callable[..., Application], path: str, given: Any
) -> None:
    """When the caller leaves while the provider is silent, the request ends at once, unanswered, and is told as 499."""
    asked = asyncio.Event()

    def silent(_call: Call) -> Arrived:
        asked.set()
        return Arrived(200, [HANG])

    ask = faces(silent)
    ask.world.create("text", COMPLETION, openai())

    async def leave() -> tuple[bool, bytes]:
        caller = ask.caller()
        caller.say(request("POST", path, given))
        await asked.wait()
        caller.leave()
        await caller.answered()
        return ask.world.provider.arrived[0].closed, caller.told

    assert ask.world.run(leave()) == (True, b"")
    assert (ask.world.log[-1].status, ask.world.clock.passed) == (499, 0)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(("path", "given"), STREAMED)
def test_a_caller_that_leaves_a_stream_lets_its_provider_go(
    faces: Callable[..., Application], path: str, given: Any, *, reads: bool
) -> None:
    """A stream whose caller left, whether it was waiting or read no more, ends together with its provider's."""
    ask = faces(lambda _: Arrived(200, [FIRST, HANG]))
    ask.world.create("text", COMPLETION, openai())

    def hear(caller: Caller) -> None:
        if not reads:
            caller.connection.pause_writing()
        asyncio.get_running_loop().call_soon(caller.leave)

    async def leave() -> bool:
        caller = ask.caller(hear)
        caller.say(request("POST", path, given))
        await caller.answered()
        return ask.world.provider.arrived[0].closed  # now, and not when garbage is collected

    assert ask.world.run(leave())
    assert ask.world.log[-1].status == 499
