"""`GET /_inference/_quotas`: what was learnt of each limit beside what was configured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asgi import Application
from world import EMBEDDING, SECRET, World, in_turn, json_reply, openai

from inferpoint.api.elastic.routes import list_quotas
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS, Caller, InferenceRequest, InputType

REQUEST = Request("GET", "/_inference/_quotas", {}, {}, {}, b"", ANONYMOUS, "r")

NOBODY = {lane: {"calls": 0, "oldest_seconds": 0.0} for lane in ("search", "other", "ingest")}
HEADERS = {
    "x-ratelimit-limit-tokens": "5000",
    "x-ratelimit-remaining-tokens": "4000",
    "x-ratelimit-reset-tokens": "12s",
}


def test_a_group_is_shown_as_configured_as_told_and_as_waited_for(make_world: Callable[..., World]) -> None:
    """Before any call with its limits alone, afterwards with all that is known, and never with a secret."""
    world = make_world(in_turn(json_reply({"data": [{"index": 0, "embedding": [1]}]}, **HEADERS)), validate=False)
    made = world.create("e", EMBEDDING, openai({"rate_limit": {"requests_per_minute": 6}}))
    ask = Application(world)
    fresh = {
        "group": made.group,
        "service": "openai",
        "inference_ids": ["e"],
        "configured": {"requests_per_minute": 6, "tokens_per_minute": None, "burst": 1},
        "provider": {"requests": None, "tokens": None},
        "paused_seconds": 0.0,
        "waiting": NOBODY,
        "breakers": {},
    }
    assert ask("GET", "/_inference/_quotas").json == {"quotas": [fresh]}
    assert ask("POST", "/_inference/e", {"input": "x"}).status == 200

    async def shown() -> Any:
        search = asyncio.ensure_future(world.inferring("e", InferenceRequest(("y",), InputType.SEARCH)))
        await world.clock.advance(4)
        world.limiter.pause(made.group, 30)
        answer = await list_quotas(world.engine, REQUEST)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        return answer.body

    body = asyncio.run(shown())
    assert json.loads(body)["quotas"] == [
        {
            **fresh,
            "provider": {"requests": None, "tokens": {"limit": 5000, "remaining": 4000, "full_in_seconds": 8.0}},
            "paused_seconds": 30.0,
            "waiting": {**NOBODY, "search": {"calls": 1, "oldest_seconds": 4.0}},
            "breakers": {"https://api.openai.com": "closed"},
        }
    ]
    assert SECRET.encode() not in body


def test_only_who_may_look_sees_quotas(world: World) -> None:
    """As with endpoints."""
    stranger = replace(REQUEST, caller=Caller("stranger", frozenset()))
    with pytest.raises(InferenceError) as caught:
        world.run(list_quotas(world.engine, stranger))
    assert caught.value.kind is Kind.FORBIDDEN
