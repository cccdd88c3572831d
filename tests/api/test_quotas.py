"""`GET /_inference/_quotas`: what was learnt of each limit beside what was configured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from in_process import Application
from msgspec.structs import replace
from world import EMBEDDING, SECRET, World, in_turn, json_reply, openai

from inferpoint.api.elastic.routes import list_quotas
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS, Caller, InferenceRequest, InputType

REQUEST = Request("GET", "/_inference/_quotas", {}, {}, {}, b"", ANONYMOUS, "r")

OK = json_reply({"data": [{"index": 0, "embedding": [1]}]})
NOBODY = {lane: {"calls": 0, "oldest_seconds": 0.0} for lane in ("search", "other", "ingest")}
HEADERS = {
    "x-ratelimit-limit-tokens": "5000",
    "x-ratelimit-remaining-tokens": "4000",
    "x-ratelimit-reset-tokens": "12s",
}


def test_a_group_is_shown_as_configured_as_told_and_as_waited_for(make_world: Callable[..., World]) -> None:
    """Before any call with its limits alone, afterwards with all that is known, and never with a secret."""
    world = make_world(in_turn(msgspec.structs.replace(OK, headers=HEADERS)), validate=False)
    made = world.create("e", EMBEDDING, openai({"rate_limit": {"requests_per_minute": 6}}))
    ask = Application(world)
    fresh = {
        "group": made.group,
        "service": "openai",
        "inference_ids": ["e"],
        "configured": {"requests_per_minute": 6, "tokens_per_minute": None, "burst": 1},
        "provider": {"requests": None, "tokens": None},
        "paused_seconds": 0.0,
        "paused_because": None,
        "waiting": NOBODY,
        "breakers": {},
    }
    assert ask("GET", "/_inference/_quotas").json == {"quotas": [fresh]}
    assert ask("POST", "/_inference/e", {"input": "x"}).status == 200

    async def shown() -> Any:
        search = asyncio.ensure_future(world.inferring("e", InferenceRequest(("y",), InputType.SEARCH)))
        await world.clock.advance(4)
        world.limiter.pause(made.group, 30, "It was asked to")
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
            "paused_because": "It was asked to",
            "waiting": {**NOBODY, "search": {"calls": 1, "oldest_seconds": 4.0}},
            "breakers": {"https://api.openai.com": "closed"},
        }
    ]
    assert SECRET.encode() not in body


class Paused:
    """An endpoint whose provider has just asked to wait, and answers from then on."""

    def __init__(self, make_world: Callable[..., World], **headers: str) -> None:
        self.world = make_world(in_turn(json_reply({}, 429, **headers), OK), validate=False)
        self.made = self.world.create("e", EMBEDDING, openai(aliases=["named"]))
        self.ask = Application(self.world)
        assert self.infer() == 429

    def infer(self, inference_id: str = "e") -> int:
        return self.ask("POST", f"/_inference/{inference_id}", {"input": "x", "timeout": "2s"}).status

    def shown(self) -> tuple[float, str | None]:
        (quota,) = self.ask("GET", "/_inference/_quotas").json["quotas"]
        return quota["paused_seconds"], quota["paused_because"]


@pytest.mark.parametrize(
    ("seconds", "shown", "because"),
    [
        ("86400", 60, "asked to wait [86400.0s]"),
        ("9" * 400, 60, "asked to wait [86400.0s]"),
        ("30", 30, "asked to wait [30.0s]"),
    ],
)
def test_a_pause_is_shown_with_its_reason_and_has_a_bound(
    make_world: Callable[..., World], seconds: str, shown: float, because: str
) -> None:
    """What its provider asked for is told to the caller, and believed for a minute."""
    paused = Paused(make_world, **{"retry-after": seconds})
    assert paused.shown() == (shown, f"Its provider answered that calls come too fast, and {because}")
    refused = paused.ask("POST", "/_inference/e", {"input": "x", "timeout": "2s"})
    assert (refused.status, int(refused.headers["retry-after"]) <= shown + 1) == (429, True)
    assert len(paused.world.provider.calls) == 1
    paused.world.run(paused.world.clock.sleep(shown))
    assert (paused.infer(), paused.shown()) == (200, (0, None))


def test_a_pause_that_is_not_believed_for_long_is_waited_out(make_world: Callable[..., World]) -> None:
    """Where the bound is a second, who waits for an answer has it after that second."""
    world = make_world(in_turn(json_reply({}, 429, **{"retry-after": "3600"}), OK), longest_pause=1, validate=False)
    world.create("e", EMBEDDING, openai())
    world.infer("e", "x")
    assert world.clock.passed == pytest.approx(1)


@pytest.mark.parametrize("name", ["e", "named"])
def test_a_pause_ends_by_hand(make_world: Callable[..., World], name: str) -> None:
    """The answer is the group as it stands then, and the next call goes at once."""
    paused = Paused(make_world, **{"retry-after": "86400"})
    released = paused.ask("POST", f"/_inference/{name}/_quotas/_release")
    (quota,) = released.json["quotas"]
    assert (released.status, quota["inference_ids"], quota["paused_seconds"]) == (200, ["e"], 0)
    assert (paused.infer(), paused.world.clock.passed < 1) == (200, True)
    assert paused.ask("POST", "/_inference/unknown/_quotas/_release").status == 404


@pytest.mark.parametrize("how", ["deleted", "given another key, and its own again"])
def test_a_pause_ends_with_the_endpoint_that_it_is_of(make_world: Callable[..., World], how: str) -> None:
    """Whoever makes it anew, or changes its key, does not wait for what was asked of the one before."""
    paused = Paused(make_world, **{"retry-after": "86400"})
    if how == "deleted":
        assert paused.ask("DELETE", "/_inference/e").status == 200
        paused.world.create("e", EMBEDDING, openai())
    else:
        for key in ("sk-other", SECRET):
            paused.world.update("e", {"service_settings": {"api_key": key}})
            assert paused.infer() == 200
    assert (paused.infer(), paused.world.clock.passed < 1) == (200, True)


def test_a_pause_goes_on_for_the_others_of_its_group(make_world: Callable[..., World]) -> None:
    """An endpoint with the same limits is paused as long as its provider asked, whichever others there were."""
    paused = Paused(make_world, **{"retry-after": "30"})
    paused.world.create("other", EMBEDDING, openai())
    assert paused.ask("DELETE", "/_inference/e").status == 200
    assert (paused.infer("other"), paused.shown()[0]) == (429, 30)


def test_only_who_may_look_sees_quotas(world: World) -> None:
    """As with endpoints; and who may only look ends no pause."""
    stranger = replace(REQUEST, caller=Caller("stranger", frozenset()))
    with pytest.raises(InferenceError) as caught:
        world.run(list_quotas(world.engine, stranger))
    assert caught.value.kind is Kind.FORBIDDEN
    with pytest.raises(InferenceError) as caught:
        world.run(world.engine.release(Caller("reader", frozenset({"monitor_inference"})), "e"))
    assert caught.value.kind is Kind.FORBIDDEN
