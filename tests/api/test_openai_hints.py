"""Members of OpenAI's that change no answer: sent on where they have a place, told where they have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
from world import World, body, json_reply, openai

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply

JSON = {"content-type": "application/json"}
HI = {"role": "user", "content": "hi"}
ACCOUNT = {"api_key": "k", "model_id": "m"}
AMAZON = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "provider": "meta", "model": "m"}
SERVICES: dict[str, dict[str, Any]] = {
    "openai": openai(),
    "hugging_face": {"service": "hugging_face", "service_settings": {"api_key": "k", "url": "https://tgi.test/v1"}},
    "groq": {"service": "groq", "service_settings": ACCOUNT},
    "mistral": {"service": "mistral", "service_settings": {"api_key": "k", "model": "m"}},
    **{name: {"service": name, "service_settings": ACCOUNT} for name in ("ai21", "deepseek", "fireworksai", "nvidia")},
    "llama": {"service": "llama", "service_settings": {"url": "https://llama.test/v1/chat", "model_id": "m"}},
    "anthropic": {"service": "anthropic", "service_settings": ACCOUNT, "task_settings": {"max_tokens": 9}},
    "amazonbedrock": {"service": "amazonbedrock", "service_settings": AMAZON},
}
HINTS: dict[str, Any] = {
    "metadata": {"team": "search"},
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "ada",
    "service_tier": "flex",
    "store": True,
}
TAKEN = {
    "openai": HINTS.keys(),
    "hugging_face": HINTS.keys(),
    "groq": {"service_tier"},
    **dict.fromkeys(("mistral", "ai21", "deepseek", "nvidia"), frozenset[str]()),
    "fireworksai": {"metadata", "prompt_cache_key", "service_tier"},
    "llama": HINTS.keys(),
    "anthropic": {"safety_identifier"},
    "amazonbedrock": set[str](),
}
OPENAI = {"id": "c", "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}
ANTHROPIC = {"type": "message", "content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn"}
CONVERSE = {"output": {"message": {"content": [{"text": "Yes."}]}}, "stopReason": "end_turn"}
ANSWERS = {"anthropic": ANTHROPIC, "amazonbedrock": CONVERSE}
Make = Callable[..., World]


def asking(make_world: Make, service: str, **policy: Any) -> Application:
    world = make_world(lambda _: json_reply(ANSWERS.get(service, OPENAI)), validate=False, **policy)
    world.create("chat", TaskType.CHAT_COMPLETION, SERVICES[service])
    return Application(world)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", HINTS)
def test_a_hint_of_openais_stops_no_chat(make_world: Make, service: str, name: str) -> None:
    """A provider without a place for it is not told, and the caller hears that in a header."""
    ask = asking(make_world, service)
    told = ask("POST", "/v1/chat/completions", {"model": "chat", "messages": [HI], name: HINTS[name]})
    assert told.status == 200, told.body
    sent = body(ask.world.provider.calls[-1])
    assert told.headers.get("x-inferpoint-dropped") == (None if name in TAKEN[service] else name)
    if service not in ("anthropic", "amazonbedrock"):
        assert sent.get(name) == (HINTS[name] if name in TAKEN[service] else None)
    else:
        assert name not in sent or name == "metadata"
        assert sent.get("metadata") == ({"user_id": "ada"} if name in TAKEN[service] else None)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("hint", [{"store": False}, {"metadata": {}}, {"service_tier": "auto"}, {"metadata": None}])
def test_a_hint_that_says_nothing_is_not_refused(make_world: Make, service: str, hint: dict[str, Any]) -> None:
    """Clients send defaults; an owner who has hints refused does not mean these."""
    ask = asking(make_world, service, refuse_hints=True)
    told = ask("POST", "/v1/chat/completions", {"model": "chat", "messages": [HI], **hint})
    assert (told.status, told.headers.get("x-inferpoint-dropped")) == (200, None), told.body


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses"])
def test_the_other_ways_to_ask_have_the_same_hints(make_world: Make, path: str) -> None:
    """Whichever of OpenAI's routes a client asks."""
    ask = asking(make_world, "anthropic")
    asked = {"model": "chat", "prompt": "hi"} if path == "/v1/completions" else {"model": "chat", "input": "hi"}
    told = ask("POST", path, {**asked, "prompt_cache_key": "k", "safety_identifier": "ada"})
    assert (told.status, told.headers["x-inferpoint-dropped"]) == (200, "prompt_cache_key")
    assert body(ask.world.provider.calls[-1])["metadata"] == {"user_id": "ada"}


@pytest.mark.parametrize(
    ("stored", "asked", "taken"),
    [
        ("gpt-4o", None, False),
        ("gpt-4o", "gpt-5", True),
        ("gpt-5", "gpt-4o", False),
        ("gpt-5", "ft:gpt-4.1:acme::x", False),
        ("gpt-4o", "ft:o4-mini:acme::x", True),
        ("gpt-5", "gpt-5-chat-latest", False),
    ],
)
def test_the_model_that_is_asked_for_says_what_it_takes(
    make_world: Make, stored: str, asked: str | None, taken: bool
) -> None:
    """Kibana asks every model with tools to think with an effort of none, which those without efforts refuse."""
    world = make_world(lambda _: json_reply(OPENAI), validate=False)
    settings = {"api_key": "k", "model_id": stored}
    world.create("chat", TaskType.CHAT_COMPLETION, {"service": "openai", "service_settings": settings})
    chat = {"messages": [HI], "reasoning": {"effort": "none"}, **({"model": asked} if asked else {})}
    told = Application(world)("POST", "/_inference/chat_completion/chat", chat)
    assert (told.status, told.headers.get("x-inferpoint-dropped")) == (200, None if taken else "reasoning_effort")
    assert ("reasoning_effort" in body(world.provider.calls[-1])) is taken


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/messages", 529), ("/v1/chat/completions", 503), ("/v1/responses", 503)]
)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(529, b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'),
        Reply(503, b'{"error":{"message":"Overloaded","code":503}}'),
        Reply(200, b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', JSON),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_provider_is_told_as_the_face_tells_it(
    make_world: Make, path: str, status: int, reply: Reply, stream: bool
) -> None:
    """Agents wait and come back for that status alone; no header forbids it, as nothing was paid."""
    world = make_world(lambda _: reply, validate=False)
    world.create("chat", TaskType.CHAT_COMPLETION, SERVICES["anthropic"])
    chat = {"input": "hi"} if path == "/v1/responses" else {"messages": [HI], "max_tokens": 9}
    told = Application(world)("POST", path, {"model": "chat", **chat, "stream": stream})
    assert (told.status, told.headers.get("x-should-retry")) == (status, None), told.body
    assert told.json["error"]["type"] in ("overloaded_error", "server_error")
    if path == "/v1/messages":
        assert told.json["error"]["type"] == "overloaded_error"
