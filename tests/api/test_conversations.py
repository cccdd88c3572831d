"""Any conversation with tools, thinking and images, through every face, to every service that chats, and back.

A provider of each wire is played. What it is asked must mean what was said, what it answers must mean the same to the
client, whole and streamed, and what the client sends back of it must be what was answered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import Application
from msgspec.structs import replace
from talk_of_faces import CLIENTS, Asking, Client, Heard
from talk_of_providers import Wire, answer, asks_for_token, wire_of
from talks import Item, Spoken, Talk, answered, meaning, talks, without_thoughts
from world import World

from inferpoint import services
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.chat import Message, Role, TextPart, ToolUse
from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call
from inferpoint.model.results import Usage
from inferpoint.testing.conversations import RecordedTask

CHAT = TaskType.CHAT_COMPLETION
RECORDED = Path(__file__).parents[1] / "services"
EXAMPLES, STEADY = int(os.environ.get("TALKS", "3")), "TALKS" not in os.environ  # `make fuzz` tries more, and others
# Servers of OpenAI's format that take thoughts back, which OpenAI does not.
MOVED = {"vllm": "https://vllm.test/v1/chat/completions", "mistral": "https://api.mistral.ai/v1/chat/completions"}
LEGAL = re.compile(r"[a-zA-Z0-9_-]+")
CUTS = st.lists(st.floats(0, 1), max_size=6)


def endpoints() -> Iterator[Any]:
    """An endpoint of each service that chats, and each maker of its models, as its recorded conversations have it."""
    for name in services.names():
        service = services.find(name)
        if CHAT not in service.tasks or not (RECORDED / name).exists():
            continue
        seen = set[Any]()
        for recorded in RecordedTask(service, CHAT, RECORDED / name).file().conversations:
            if (maker := recorded.settings.get("provider")) not in seen:
                seen.add(maker)
                config = {"service": name, "service_settings": recorded.settings, "task_settings": recorded.options}
                yield pytest.param(config, id="-".join(filter(None, (name, maker))))
    for name, url in MOVED.items():
        account = {"api_key": "k", "model_id": "m", "url": url}
        yield pytest.param({"service": "openai", "service_settings": account}, id=name)


@pytest.fixture(scope="module")
def app() -> Iterator[Application]:
    world = World(validate=False)
    with closing(world.store):
        yield Application(world, 10**6)


@dataclass
class Dialogue:
    """A client that talks with a service through its face."""

    app: Application
    client: Client
    resolved: Resolved
    wire: Wire
    talk: Talk

    def __post_init__(self) -> None:
        self.history: list[Any] = []  # in the face's words
        self.said: list[Message] = []  # what it means
        self.ids: dict[str, str] = {}  # of calls, as the client was told them

    def says(self, message: Message) -> None:
        message = self.client.can_say(message)
        called = message.tool_call_id
        self.history += self.client.says(replace(message, tool_call_id=called and self.ids.get(called, called)))
        self.said.append(message)

    def hears(self, spoken: Spoken, cuts: Sequence[float], *, keep_streamed: bool) -> None:
        """Asks twice: for the whole answer, and for it in pieces."""
        whole = self.client.whole(self._asked(spoken, (), stream=False))
        streamed = self.client.streamed(self._asked(spoken, cuts, stream=True))
        told = self.client.can_tell(spoken)
        for heard in (whole, streamed):
            self.ids |= {own_id(part.id): part.id for part in heard.parts if isinstance(part, ToolUse)}
            assert meaning_of(heard) == (meaning([answered(told)]), told.reason, told.usage)
        self.history += (streamed if keep_streamed else whole).kept
        self.said.append(Message(Role.ASSISTANT, self.client.keeps(spoken)))

    def _asked(self, spoken: Spoken, cuts: Sequence[float], *, stream: bool) -> Any:
        provider = self.app.world.provider
        provider.answer = partial(answer, spoken, cuts)
        asking = Asking(self.app, self.resolved.endpoint.inference_id)
        told = self.client.asks(asking, self.history, self.talk.tools, stream=stream)
        assert told.status == 200, told.body
        (call,) = (call for call in provider.calls if not asks_for_token(call))
        provider.calls.clear()
        self._check(call, told.headers, stream=stream)
        return told

    def _check(self, call: Call, headers: Any, *, stream: bool) -> None:
        """What the provider is asked means what was said."""
        assert self.wire.streams(call) is stream
        thinks = Hint.THOUGHTS in self.app.world.engine.hints(self.resolved)
        said = self.said if thinks else [without_thoughts(message) for message in self.said]
        same_but_for_ids(self.wire.heard(call), self.wire.wanted(said), self.wire)
        assert self.wire.tools(call) == {tool.name: tool.parameters for tool in self.talk.tools}
        if said != self.said:
            assert Hint.THOUGHTS in headers["x-inferpoint-dropped"]


def meaning_of(heard: Heard) -> tuple[Any, ...]:
    parts = tuple(replace(part, id=own_id(part.id)) if isinstance(part, ToolUse) else part for part in heard.parts)
    return meaning([Message(Role.ASSISTANT, parts)]), heard.reason, heard.usage


def own_id(told: str) -> str:
    """The id that a provider gave a call, of the one that a client was *told*, behind which something may be sealed."""
    assert LEGAL.fullmatch(told)
    return told.partition("--sealed--")[0]


def same_but_for_ids(heard: Sequence[Message], wanted: Sequence[Item], wire: Wire) -> None:
    """What a provider hears is what is *wanted*; ids that it would refuse are others, each its own in all places."""
    ids: dict[str, str] = {}

    def named(item: Item, there: Item) -> Item:
        match item, there:
            case (side, ("call" | "result") as kind, called, *rest), (_, _, told, *_):
                assert ids.setdefault(called, told) == told
                assert told == called or not wire.ids.fullmatch(called)
                return (side, kind, told, *rest)
            case _:
                return item

    told = meaning(heard)
    assert [item[:2] for item in told] == [item[:2] for item in wanted]
    assert told == [named(item, there) for item, there in zip(wanted, told, strict=True)]
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize("face", CLIENTS)
@pytest.mark.parametrize("config", list(endpoints()))
def test_a_conversation_is_the_same_through_every_face_and_service(app: Application, config: Any, face: str) -> None:
    """Turns, words, images, calls, results, thoughts and their seals, usage and reasons arrive, there and back."""
    resolved = app.world.create(f"talk-{id(config)}-{face}", CHAT, config)
    wire = wire_of(_first_call(app, resolved))

    @given(talk=talks(wire.manner), cuts=CUTS, keep_streamed=st.booleans())
    @settings(max_examples=EXAMPLES, derandomize=STEADY, database=None)
    def dialogue(talk: Talk, cuts: Sequence[float], keep_streamed: bool) -> None:
        talking = Dialogue(app, CLIENTS[face], resolved, wire, talk)
        for step in talk.steps:
            if isinstance(step, Spoken):
                talking.hears(step, cuts, keep_streamed=keep_streamed)
            else:
                talking.says(step)

    dialogue()


def _first_call(app: Application, resolved: Resolved) -> Call:
    """A call to the provider, which shows how it is asked."""
    app.world.provider.answer = partial(answer, Spoken((TextPart("."),), "stop", Usage()), ())
    app(
        "POST",
        f"/_inference/chat_completion/{resolved.endpoint.inference_id}",
        {"messages": [{"role": "user", "content": "?"}]},
    )
    return app.world.provider.calls.pop()
