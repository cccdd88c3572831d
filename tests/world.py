"""A whole engine: a real store, a clock that stands still, and a provider whose answers a test writes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from clock import FakeClock

from inferpoint.access.keys import Keys
from inferpoint.api.elastic.errors import envelope
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.engine import Engine, Policy
from inferpoint.errors import InferenceError
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.model.results import Delta, InferenceResult
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.caller_limits import limiting_callers
from inferpoint.outbound.limiter import LONGEST_PAUSE
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.retries import Budgets
from inferpoint.outbound.spending import Spending
from inferpoint.storage import store
from inferpoint.storage.keys import KeyStore
from inferpoint.storage.vault import Vault
from inferpoint.telemetry.events import Answered
from inferpoint.telemetry.telemetry import Telemetry

T = TypeVar("T")
Answer = Callable[[Call], "Reply | Arrived | Exception"]

_OURS = re.compile(r"; (?=.* takes (?:\[|none))|; (?=\[provider\] must be|for others \[api\])|, but (?=\[)")
KEY = bytes(range(32))
SECRET = "sk-canary-0123456789"
EMBEDDING, COMPLETION, CHAT = TaskType.TEXT_EMBEDDING, TaskType.COMPLETION, TaskType.CHAT_COMPLETION


class Arrived:
    """A reply whose body comes in pieces; an exception among them is raised, `HANG` never ends."""

    def __init__(
        self, status: int, pieces: Iterable[bytes | Exception | object] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.neighbour = False
        self.closed = False
        self._pieces = list(pieces)

    async def read(self) -> Reply:
        return Reply(self.status, b"".join([piece async for piece in self.pieces()]), self.headers)

    async def pieces(self) -> AsyncGenerator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, bytes):
                await asyncio.sleep(0)
                yield piece
            else:
                await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.closed = True


HANG = object()


class Provider:
    """A transport that remembers its calls and answers as *answer* says; without one, as OpenAI would."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or like_openai
        self.calls: list[Call] = []
        self.arrived: list[Arrived] = []

    async def send(self, call: Call) -> Arrived:
        self.calls.append(call)
        await asyncio.sleep(0)
        answer = self.answer(call)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            answer = Arrived(answer.status, [answer.body], answer.headers)
        self.arrived.append(answer)
        return answer


def in_turn(*answers: Reply | Arrived | Exception) -> Answer:
    """*answers* one after the other, the last again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def body(call: Call) -> dict[str, Any]:
    """What a call says."""
    return msgspec.json.decode(call.body)


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON."""
    return Reply(status, msgspec.json.encode(value), headers)


def like_openai(call: Call) -> Reply:
    """Three numbers for each text, the first of them its length; or an echo."""
    said = body(call)
    if "messages" in said:
        choice = {"index": 0, "message": {"content": said["messages"][-1]["content"]}, "finish_reason": "stop"}
        return json_reply({"id": "1", "model": said["model"], "choices": [choice]})
    return json_reply({"data": [{"index": n, "embedding": [len(t), 0, 1]} for n, t in enumerate(said["input"])]})


def like_text_embeddings_inference(call: Call) -> Reply:
    """Three numbers for each text, the first of them its length."""
    return json_reply([[len(text), 0, 1] for text in body(call)["inputs"]])


class World:
    """An engine and all it stands on; what it keeps is in memory, or in *folder*."""

    def __init__(
        self,
        answer: Answer | None = None,
        cache: CacheSettings | None = None,
        folder: Path | None = None,
        **policy: Any,
    ) -> None:
        self.clock = FakeClock()
        self.provider = Provider(answer)
        self.log: list[Answered] = []
        self.spending = Spending(self.clock)
        self.limiter = limiting_callers(self.clock, self.spending, policy.get("longest_pause", LONGEST_PAUSE))
        self.breakers, self.budgets = Breakers(self.clock), Budgets(self.clock)
        self.telemetry = Telemetry(
            self.limiter.groups,
            lambda: self.limiter.callers(ANONYMOUS),
            self.breakers.states,
            self.budgets.least,
            self.log.append,
        )
        self.store = store.opened(folder)
        act = self.store.run
        self.store.run = lambda *given, **named: self.clock.standing(act(*given, **named))  # type: ignore[method-assign]
        self.endpoints = Endpoints(self.store, Vault(KEY))
        self.keys = Keys(KeyStore(self.store), self.clock)
        self.caches = Caches(self.endpoints, folder, cache, self.telemetry.caches)
        transports = dict.fromkeys(("http", "https", "local"), self.provider)
        outbound = Outbound(transports, self.limiter, self.breakers, self.budgets, self.clock, self.telemetry.calls)
        self.engine = Engine(
            self.endpoints, self.caches, outbound, self.telemetry, self.clock, Policy(**{"environ": {}, **policy})
        )

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of *coroutine*, with the time it needs passing at once."""
        return asyncio.run(self.clock.drive(coroutine))

    def create(self, inference_id: str, kind: TaskType | None, config: Mapping[str, Any], **more: Any) -> Resolved:
        return self.run(self.engine.lifecycle.create(ANONYMOUS, inference_id, config, kind=kind, **more))

    def update(self, inference_id: str, config: Mapping[str, Any], kind: TaskType | None = None) -> Resolved:
        return self.run(self.engine.lifecycle.update(ANONYMOUS, inference_id, config, kind=kind))

    def get(self, inference_id: str) -> dict[str, Any]:
        return self.engine.lifecycle.get(ANONYMOUS, inference_id).shown()

    async def inferring(
        self, inference_id: str, request: InferenceRequest, kind: TaskType | None = None
    ) -> InferenceResult:
        """Finds the endpoint as a face does, and infers on it."""
        return await self.engine.infer(self.engine.find(request.caller, inference_id), request, kind)

    async def streaming(self, inference_id: str, request: InferenceRequest) -> AsyncIterator[Sequence[Delta]]:
        """Finds the endpoint as a face does, and infers on it in pieces."""
        resolved = self.engine.find(request.caller, inference_id)
        async with contextlib.aclosing(self.engine.stream(resolved, request)) as pieces:
            async for deltas in pieces:
                yield deltas

    def infer(self, inference_id: str, *texts: str, **more: Any) -> InferenceResult:
        return self.run(self.inferring(inference_id, InferenceRequest(texts, **more)))

    def stream(self, inference_id: str, text: str = "hi", **more: Any) -> list[Any]:
        """All deltas; an error comes last."""

        async def read() -> list[Any]:
            found: list[Any] = []
            try:
                async for deltas in self.streaming(inference_id, InferenceRequest((text,), **more)):
                    found += deltas
            except InferenceError as error:
                found.append(error)
            return found

        return self.run(read())


def openai(settings: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """The configuration of an OpenAI endpoint, with *settings* in place of some of its own."""
    return _config("openai", {"api_key": SECRET, "model_id": "m", **(settings or {})}, sections)


def hugging_face(settings: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """Likewise for Hugging Face."""
    return _config("hugging_face", {"api_key": SECRET, "url": "https://tei.test/embed", **(settings or {})}, sections)


def elasticsearch(settings: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """Likewise for a model of our own."""
    return _config("elasticsearch", {"model_id": "m", **(settings or {})}, sections)


def without(config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """*config* without some of its service settings."""
    left = {name: value for name, value in config["service_settings"].items() if name not in names}
    return {**config, "service_settings": left}


def elasticsearchs(reason: str) -> str:
    """The part of a *reason* that Elasticsearch has, without what is allowed, which ours says after it."""
    return _OURS.split(reason, maxsplit=1)[0]


def told(error: InferenceError) -> tuple[int, str, str]:
    """Status, type and reason, as Elasticsearch's clients are told."""
    said = envelope(error)
    return said["status"], said["error"]["type"], said["error"]["reason"]


def _config(service: str, settings: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    return {"service": service, "service_settings": dict(settings), **sections}
