"""A chat may ask for another model than its endpoint's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conversing import asking
from frames import GOLDEN, event
from world import SECRET, Arrived, World, openai

from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Started

AWS = {"access_key": "AKIDEXAMPLE", "secret_key": SECRET, "region": "us-east-1", "provider": "anthropic", "model": "m"}
BEDROCK = {"service": "amazonbedrock", "service_settings": AWS}
DONE = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("model", [None, "other"])
def test_it_is_called_and_named(make_world: Callable[..., World], model: str | None) -> None:
    """Also by a provider that does not say which model answers; the endpoint keeps its own."""
    world = make_world(validate=False)
    world.create("o", TaskType.CHAT_COMPLETION, openai())
    world.create("b", TaskType.CHAT_COMPLETION, BEDROCK)
    body = {"messages": [{"role": "user", "content": "hi"}]} | ({} if model is None else {"model": model})
    world.provider.answer = lambda call: Arrived(
        200, [DONE] if "openai" in call.url else [GOLDEN, event("messageStop", {"stopReason": "end_turn"})]
    )

    async def first(name: str) -> Any:
        return [delta async for deltas in world.streaming(name, asking(body)) for delta in deltas][:1]

    assert world.run(first("b")) == [Started("", model or "m")]
    assert f"/model/{model or 'm'}/" in world.provider.calls[-1].url
    world.run(first("o"))
    assert json.loads(world.provider.calls[-1].body)["model"] == (model or "m")
    assert world.get("b")["service_settings"]["model"] == "m"
