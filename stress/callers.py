"""What callers do in a storm, one method each; what they are answered is looked at there and then."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Self

from ledger import Ledger

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.transport import Arriving

SHARED = [f"shared-{number}" for number in range(6)]
LEFT = [f"left-{number}" for number in range(4)]
AT_ONCE = 8
_PATIENCE = 120.0
_UNSENT = (InferenceError, TimeoutError)
_JSON = {"content-type": "application/json"}


class Callers:
    """Callers of one server. Their questions are numbers, so that no answer can be taken for another's."""

    def __init__(self, server: str, provider: str, chance: random.Random, ledger: Ledger) -> None:
        self._server = server
        self._provider = provider
        self._chance = chance
        self._number = itertools.count(1)
        self._ledger = ledger
        self.done = 0
        self.ways: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self.embeds, self.embeds_many, self.completes, self.streams, self.makes, self.deletes, self.looks,
            self.asks_shared, self.changes, self.makes_at_once, self.leaves_queue, self.leaves_provider,
            self.leaves_stream, self.leaves_change, self.is_hung_up_on,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        self._transport = HttpTransport("storm")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def prepare(self) -> None:
        """Make the endpoints that stay."""
        for inference_id, kind, service, minute in (
            ("many", "text_embedding", "hugging_face", 1_000_000_000),
            ("vectors", "text_embedding", "openai", 1_000_000_000),
            ("words", "completion", "openai", 1_000_000_000),
            ("queue", "completion", "openai", 60),
        ):
            status, _ = await self._ask(
                "PUT", f"{kind}/{inference_id}?skip_validation=true", self._config(service, minute)
            )
            assert status in (200, 400)

    async def act(self, times: int) -> None:
        """One caller, who does one thing after the other."""
        for _ in range(times):
            await self._chance.choice(self.ways)()
            self.done += 1

    async def embeds(self) -> None:
        """One text as its vector, which is its number."""
        await self._embed("vectors", 1)

    async def embeds_many(self) -> None:
        """A list of several calls; its order is kept."""
        await self._embed(self._chance.choice(("many", "vectors")), self._chance.randint(2, 200))

    async def completes(self) -> None:
        """A question answered by itself."""
        text = self._text("please")
        status, body = await self._ask("POST", "words", {"input": text})
        assert (status, body) == (200, {"completion": [{"result": text}]}), (status, body)

    async def streams(self) -> None:
        """The same in pieces, in their order and to their end."""
        text = self._text("please")
        async with self._answer("POST", "words/_stream", {"input": text}) as answer:
            lines = (await answer.read()).body.splitlines(keepends=True)
        events = [line[6:] for line in lines if line.startswith(b"data: ")]
        assert events.pop() == b"[DONE]\n"
        said = "".join(json.loads(event)["completion"][0]["delta"] for event in events)
        assert said == text + " "

    async def makes(self) -> None:
        """An endpoint that others make and delete too."""
        await self._make(self._chance.choice(SHARED))

    async def deletes(self) -> None:
        """Likewise."""
        inference_id = self._chance.choice(SHARED)
        status, _ = await self._ask("DELETE", inference_id)
        self._ledger.delete(inference_id, status)

    async def looks(self) -> None:
        """What is there, one and all."""
        status, body = await self._ask("GET", self._chance.choice((*SHARED, *LEFT)))
        assert status in (200, 404), body
        status, body = await self._ask("GET", "_all")
        ids = [each["inference_id"] for each in body["endpoints"]]
        assert ids == sorted(set(ids))
        assert "words" in ids

    async def asks_shared(self) -> None:
        """An endpoint that may be gone any moment answers what was asked, or is not found."""
        number = next(self._number)
        status, body = await self._ask("POST", self._chance.choice((*SHARED, *LEFT)), {"input": str(number)})
        assert status == 404 or body == _vectors(number, 1), (status, body)

    async def changes(self) -> None:
        """An endpoint that may be gone, or be changed by another."""
        rate = {"rate_limit": {"requests_per_minute": self._chance.randint(500_000_000, 1_000_000_000)}}
        status, body = await self._ask("PUT", f"{self._chance.choice(SHARED)}/_update", {"service_settings": rate})
        assert status in (200, 404, 409), body

    async def makes_at_once(self) -> None:
        """Of many creations of one id one succeeds, and the others hear that it exists."""
        inference_id = f"once-{next(self._number)}"
        statuses = await asyncio.gather(*(self._make(inference_id) for _ in range(AT_ONCE)))
        assert sorted(statuses) == [200] + [400] * (AT_ONCE - 1)
        status, _ = await self._ask("DELETE", inference_id)
        assert status == 200
        self._ledger.delete(inference_id, status)

    async def leaves_queue(self) -> None:
        """While waiting for a turn that comes once a second."""
        await self._leave("POST", "queue", {"input": self._text("please")})

    async def leaves_provider(self) -> None:
        """While a provider never answers."""
        form = self._chance.choice(("words", "words/_stream"))
        await self._leave("POST", form, {"input": self._text("wait")})

    async def leaves_stream(self) -> None:
        """In the middle of a stream."""
        text = self._text("please")
        async with (
            self._answer("POST", "words/_stream", {"input": text}) as answer,
            aclosing(answer.pieces()) as pieces,
        ):
            for _ in range(self._chance.randint(0, 20)):
                await anext(pieces, None)

    async def leaves_change(self) -> None:
        """Whether it was made or deleted nobody knows; that the server knows is looked at in the end."""
        inference_id = self._chance.choice(LEFT)
        if self._chance.random() < 0.6:
            await self._leave("PUT", f"text_embedding/{inference_id}", self._config("openai", 1_000_000_000))
        else:
            await self._leave("DELETE", inference_id)

    async def is_hung_up_on(self) -> None:
        """A provider that hangs up is an error of its own, and after many it is left alone for a while (429)."""
        text = self._text(self._chance.choice(("hang", "cut")))
        form = self._chance.choice(("words", "words/_stream"))
        async with self._answer("POST", f"{form}?timeout=400ms", {"input": text}) as answer:
            said = (await answer.read()).body.decode()
            assert answer.status in (200, 408, 429, 500), said
            assert "[DONE]" not in said
            assert '"error"' in said

    async def _make(self, inference_id: str) -> int:
        path = f"text_embedding/{inference_id}"
        status, body = await self._ask("PUT", path, self._config("openai", 1_000_000_000))
        self._ledger.put(inference_id, status, "" if status == 200 else body["error"]["type"])
        return status

    async def _embed(self, inference_id: str, count: int) -> None:
        first, *_ = [next(self._number) for _ in range(count)]
        texts = [str(number) for number in range(first, first + count)]
        status, body = await self._ask("POST", inference_id, {"input": texts})
        assert (status, body) == (200, _vectors(first, count)), (status, str(body)[:500])

    async def _leave(self, method: str, path: str, body: Any = None) -> None:
        """Ask, and be gone before or after the answer."""
        with suppress(*_UNSENT):
            async with asyncio.timeout(self._chance.uniform(0, 0.1)):
                await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._answer(method, path, body) as answer:
            return answer.status, json.loads((await answer.read()).body)

    @asynccontextmanager
    async def _answer(self, method: str, path: str, body: Any) -> AsyncGenerator[Arriving]:
        data = b"" if body is None else json.dumps(body).encode()
        async with asyncio.timeout(_PATIENCE):
            answer = await self._transport.send(Call(f"{self._server}/_inference/{path}", data, _JSON, method))
            try:
                yield answer
            finally:
                answer.close()

    def _text(self, end: str) -> str:
        return " ".join((*[str(next(self._number))] * self._chance.randint(1, 30), end))

    def _config(self, service: str, minute: int) -> dict[str, Any]:
        settings = {"api_key": "sk-test", "url": self._provider, "rate_limit": {"requests_per_minute": minute}}
        more = {"model_id": "m"} if service == "openai" else {}
        return {"service": service, "service_settings": {**settings, **more}}


def _vectors(first: int, count: int) -> dict[str, Any]:
    return {"text_embedding": [{"embedding": [float(number)]} for number in range(first, first + count)]}
