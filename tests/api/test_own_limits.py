"""What a key with limits of its own is told, at every face, and what others see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from in_process import Application, Told
from making_keys import make
from world import CHAT, COMPLETION, EMBEDDING, World, json_reply, openai

from inferpoint.api import operations
from inferpoint.model.http import Call, Reply

MONITOR, KEYS = "monitor_inference", "manage_api_key"
TALK = [{"role": "user", "content": "hi"}]
FACES: Mapping[str, Mapping[str, Any]] = {
    "/_inference/completion/text": {"input": "hi"},
    "/_inference/chat_completion/chat/_stream": {"messages": TALK},
    "/v1/chat/completions": {"model": "chat", "messages": TALK},
    "/v1/responses": {"model": "chat", "input": "hi"},
    "/v1/messages": {"model": "chat", "messages": TALK, "max_tokens": 5},
    "/v1/embeddings": {"model": "vectors", "input": "hi"},
    "/v2/embed": {"model": "vectors", "texts": ["hi"], "input_type": "search_query", "embedding_types": ["float"]},
}
USED_UP = (
    "The key [{}] has a budget of [20] tokens_per_day, and this call would take more than is left of it:"
    " there may be room in [12h]"
)


def counting(call: Call) -> Reply:
    """An answer that took twenty tokens."""
    usage = {"prompt_tokens": 15, "completion_tokens": 5, "total_tokens": 20}
    if b'"messages"' in call.body:
        choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
        return json_reply({"id": "1", "model": "m", "choices": [choice], "usage": usage})
    return json_reply({"data": [{"index": 0, "embedding": [1]}], "usage": {"prompt_tokens": 20, "total_tokens": 20}})


class Users:
    """A server with an endpoint of each kind, and keys that are sent with every request."""

    def __init__(self, world: World) -> None:
        world.create("text", COMPLETION, openai())
        world.create("chat", CHAT, openai())
        world.create("vectors", EMBEDDING, openai())
        self.world = world
        watching = operations.routes(world.telemetry.exposition, stopping=lambda: False)
        self.ask_as_nobody = Application(world, extra=watching)

    def key(self, *privileges: str, **held: Any) -> tuple[str, Callable[..., Told]]:
        """The public id of a new key, and how to ask with it."""
        made, credentials = make(self.world, *privileges, **held)
        headers = {"authorization": f"ApiKey {credentials.encoded}"}
        return made.id, lambda method, path, given=None: self.ask_as_nobody(method, path, given, headers=headers)


@pytest.fixture
def users(make_world: Callable[..., World]) -> Users:
    return Users(make_world(counting, validate=False))


@pytest.mark.parametrize("path", FACES)
def test_every_face_tells_which_budget_is_used_up(users: Users, path: str) -> None:
    """429 in the face's own form, with the public id of the key, the budget, and when it is whole again."""
    key, ask = users.key(MONITOR, budget={"tokens_per_day": 20})
    assert ask("POST", "/v1/embeddings", FACES["/v1/embeddings"]).status == 200
    calls = len(users.world.provider.calls)
    refused = ask("POST", path, FACES[path])
    assert (refused.status, refused.headers["retry-after"]) == (429, "43200")
    assert USED_UP.format(key) in refused.body.decode()
    assert len(users.world.provider.calls) == calls


def test_two_keys_have_their_own_limits(users: Users) -> None:
    """What one has used is nothing to the other, whichever face each of them asks."""
    (_, first), (_, second) = (users.key(MONITOR, requests_per_minute=1) for _ in range(2))
    path = "/_inference/text_embedding/vectors?timeout=5s"

    def ask(of: Callable[..., Told]) -> int:
        return of("POST", path, {"input": "hi"}).status

    assert [ask(first), ask(second), ask(first), ask(second)] == [200, 200, 429, 429]
    asyncio.run(users.world.clock.advance(60))
    assert [ask(first), ask(second)] == [200, 200]


def test_a_key_sees_its_own_limits_and_an_administrator_all(users: Users) -> None:
    """What is used of a limit is shown to its key, also before it has called, and to whoever may see the keys."""
    key, ask = users.key(MONITOR, requests_per_minute=60, budget={"tokens_per_day": 50, "usd_per_month": 3})
    unlimited, other = users.key(MONITOR)
    none = {"limit": 60, "used": 0, "whole_in_seconds": 0.0}
    assert ask("GET", "/_inference/_quotas").json["callers"][0]["limits"]["requests_per_minute"] == none
    users.world.update("vectors", {"price": {"usd_per_million_input_tokens": 1000}})
    ask("POST", "/v1/embeddings", FACES["/v1/embeddings"])
    own = {
        "caller": key,
        "limits": {
            "requests_per_minute": {"limit": 60, "used": 1, "whole_in_seconds": 1.0},
            "tokens_per_day": {"limit": 50, "used": 20, "whole_in_seconds": 43_200.0},
            "usd_per_month": {"limit": 3.0, "used": 0.02, "whole_in_seconds": 10.5 * 86_400},
        },
    }
    assert ask("GET", "/_inference/_quotas").json["callers"] == [own]
    assert "callers" not in other("GET", "/_inference/_quotas").json
    _, administrator = users.key(MONITOR, KEYS)
    assert administrator("GET", "/_inference/_quotas").json["callers"] == [own]
    metrics = administrator("GET", "/metrics").body.decode()
    assert f'inferpoint_caller_used{{caller="{key}",limit="tokens_per_day"}} 20.0' in metrics
    assert f'inferpoint_caller_limit{{caller="{key}",limit="tokens_per_day"}} 50.0' in metrics
    assert unlimited not in metrics


def test_a_misspelt_limit_makes_no_key(users: Users) -> None:
    """A key that was to be held to a limit is not made without it, and the error names the member."""
    _, administrator = users.key(MONITOR, KEYS)
    held = {"inferpoint": {"budget": {"tokens_a_day": 5}}}
    refused = administrator("POST", "/_security/api_key", {"name": "team", "metadata": held})
    assert refused.status == 400
    assert "[metadata.inferpoint.budget.tokens_a_day]" in refused.body.decode()
