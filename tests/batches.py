"""A provider of embeddings that counts tokens, and what is asked of an endpoint `e` of it in a world."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import replace
from typing import Any

from clock import FakeClock, settle
from turns import calls_waiting
from world import Arrived, World, body, json_reply, openai

from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings
from inferpoint.protocols.service import Limits

Asked = Coroutine[Any, Any, Any]


def mark(text: Any) -> int:
    """What tells one input from another in its vector."""
    return zlib.crc32(repr(text).encode("utf-8", "surrogatepass")) % 1_000_000


def counted(text: Any) -> int:
    """The tokens of an input, as our provider counts them: a quarter of the bytes, and one."""
    return len(text.encode()) // 4 + 1 if isinstance(text, str) else len(text)


def vectors(call: Call) -> Reply:
    """A vector for each input, that tells which it was of, and the tokens of all."""
    given = body(call)["input"]
    tokens = sum(map(counted, given))
    return json_reply(
        {
            "data": [{"index": place, "embedding": [mark(text)]} for place, text in enumerate(given)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def complaint(words: str, status: int = 400, **more: str) -> Reply:
    return json_reply({"error": {"message": words, **more}}, status)


class Late(Arrived):
    """A reply whose body takes some time."""

    def __init__(self, clock: FakeClock, seconds: float, reply: Reply) -> None:
        super().__init__(reply.status, [reply.body], reply.headers)
        self._clock = clock
        self._seconds = seconds

    async def pieces(self) -> AsyncGenerator[bytes]:
        await self._clock.sleep(self._seconds)
        async for piece in super().pieces():
            yield piece


def limited(**rate: int) -> dict[str, Any]:
    """The configuration of an endpoint with such a rate limit: without one, far more than any test asks for."""
    return openai({"rate_limit": rate or {"requests_per_minute": 10**9, "burst": 10**6}})


ONE_A_SECOND = limited(requests_per_minute=60)


def ask(world: World, *texts: str, endpoint: str = "e", **more: Any) -> Asked:
    return world.inferring(endpoint, InferenceRequest(texts, **{"timeout": 10**6, **more}))


def together(world: World, *asked: Asked) -> list[Any]:
    """What becomes of all that are asked at once; afterwards nothing may be left."""

    async def all_of_them() -> list[Any]:
        found = await asyncio.gather(*asked, return_exceptions=True)
        await settle()
        assert len(asyncio.all_tasks()) == 2  # this one, and the one that drives the clock
        return found

    found = world.run(all_of_them())
    nothing_is_left(world)
    return found


def nothing_is_left(world: World) -> None:
    assert (asyncio.run(calls_waiting(world.limiter)), world.clock.alarms) == (0, 0)
    assert world.engine._batcher._pools == {}


def sent(world: World) -> list[Any]:
    """The inputs of every call so far."""
    return [body(call)["input"] for call in world.provider.calls]


def marks(found: Any) -> list[int]:
    assert isinstance(found, Embeddings), found
    return [json.loads(bytes(vector))[0] for vector in found.vectors]


def right(found: Any, *texts: Any) -> None:
    """That *found* are the vectors of *texts*, in order."""
    assert marks(found) == list(map(mark, texts))


def limits(world: World, **most: int) -> None:
    """Have calls of `e` hold no more than that."""
    resolved = world.endpoints.find("e")
    task = replace(resolved.task, rates=replace(resolved.task.rates, limits=lambda _: Limits(**most)))
    world.endpoints._resolved["e"] = replace(resolved, task=task)


def faulty(*bad: str) -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        wrong = [text for text in body(call)["input"] if text in bad]
        return complaint("an input is not valid") if wrong else vectors(call)

    return answer


async def all_of(*asked: Any) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def leaving(world: World, *tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def asking(world: World, *texts: str, **more: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(ask(world, *texts, **more))
