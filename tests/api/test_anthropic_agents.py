"""What Claude Code and the SDKs send through Anthropic's face, to Anthropic's models and to others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from anthropic.pagination import SyncPage
from anthropic.types import Message, ModelInfo
from in_process import Application, Told
from world import Arrived, World, body, json_reply, openai

from inferpoint.api.anthropic import thoughts
from inferpoint.model.chat import Thought
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.http import Call, Reply

Faces = Callable[..., Application]

HI = {"role": "user", "content": "hi"}
EPHEMERAL = {"type": "ephemeral"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"},
    {"type": "redacted_thinking", "data": "RqQB"},
    {"type": "text", "text": "Noon."},
]
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": BLOCKS,
    "stop_reason": "stop_sequence", "stop_sequence": "END",
    "usage": {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 100,
              "cache_read_input_tokens": 1000},
}  # fmt: skip
MUSED = {"choices": [{"message": {"content": "Noon.", "reasoning_content": "Hm."}, "finish_reason": "stop"}]}
CACHED = {"cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000}


def asked(ask: Application, model: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Told:
    request = {"model": model, "max_tokens": 2000, "messages": [HI], **more}
    return ask("POST", "/v1/messages", request, "beta=true", headers)


def sent(ask: Application) -> dict[str, Any]:
    return body(ask.world.provider.calls[-1])


def like_claude(_call: Call) -> Reply:
    return json_reply(MESSAGE)


# --- sent on, or left aside -------------------------------------------------------------------------------------------

AGENT: dict[str, Any] = {
    "system": [{"type": "text", "text": "You are an agent.", "cache_control": {**EPHEMERAL, "scope": "global"}}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": EPHEMERAL}]}],
    "tools": [{**TOOL, "type": "custom", "eager_input_streaming": True, "cache_control": {**EPHEMERAL, "ttl": "1h"}}],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "user_1_session_2"},
}


def test_all_that_an_agent_sends_reaches_anthropic(faces: Faces) -> None:
    """Where it stood, with the betas that it needs; nothing is dropped."""
    ask = faces(like_claude)
    told = asked(ask, "claude", headers={"anthropic-beta": "context-management-2025-06-27"}, **AGENT)
    assert (told.status, told.headers.get("x-inferpoint-dropped")) == (200, None)
    wanted = {**AGENT, "tools": [{name: value for name, value in AGENT["tools"][0].items() if name != "type"}]}
    schema = {"type": "object", "properties": {}}
    wanted["tools"][0]["input_schema"] = schema
    assert wanted.items() <= sent(ask).items()
    assert ask.world.provider.calls[-1].headers["anthropic-beta"] == "context-management-2025-06-27"


def test_a_budget_is_left_out_for_models_that_adapt(make_world: Callable[..., World]) -> None:
    """Claude from 4.7 on refuses the member that older clients send: it thinks as it likes, and that is told."""
    world = make_world(like_claude, validate=False)
    account = {"api_key": "k", "model_id": "claude-opus-4-7"}
    config = {"service": "anthropic", "service_settings": account, "task_settings": {"max_tokens": 10}}
    world.create("newer", TaskType.CHAT_COMPLETION, config)
    ask = Application(world, 10**6)
    told = asked(ask, "newer", thinking={"type": "enabled", "budget_tokens": 1024, "display": "summarized"})
    assert (told.status, told.headers["x-inferpoint-dropped"]) == (200, "thinking.budget_tokens")
    assert sent(ask)["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_what_others_have_no_place_for_is_dropped_by_name(faces: Faces) -> None:
    """None of it is in the call, and the answer says what was left aside."""
    ask = faces(lambda _: json_reply(MUSED))
    told = asked(ask, "chat", headers={"anthropic-beta": "context-management-2025-06-27"}, **AGENT)
    assert told.status == 200
    dropped = set(told.headers["x-inferpoint-dropped"].split(", "))
    assert {"anthropic_beta", "cache_control", "context_management", "eager_input_streaming", "thinking"} <= dropped
    call = ask.world.provider.calls[-1]
    assert "anthropic-beta" not in call.headers
    for name in (b"cache_control", b"context_management", b"eager_input_streaming", b"thinking", b"budget"):
        assert name not in call.body


def test_an_owner_may_have_hints_refused(make_world: Callable[..., World]) -> None:
    """By their names, thoughts of another service among them."""
    world = make_world(like_claude, validate=False, refuse_hints=True)
    world.create("chat", TaskType.CHAT_COMPLETION, openai())
    account = {"api_key": "k", "model_id": "m"}
    config = {"service": "anthropic", "service_settings": account, "task_settings": {"max_tokens": 9}}
    world.create("claude", TaskType.CHAT_COMPLETION, config)
    ask = Application(world)
    marked = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": EPHEMERAL}]}]
    strange = {"type": "thinking", "thinking": "Hm.", "signature": "amazonbedrock:c2ln"}
    assert asked(ask, "claude", messages=marked).status == 200
    for model, messages, name in [
        ("chat", marked, "cache_control"),
        ("claude", [HI, {"role": "assistant", "content": [strange, BLOCKS[2]]}, HI], "thoughts"),
    ]:
        told = asked(ask, model, messages=messages)
        assert (told.status, f"[{name}]" in told.json["error"]["message"]) == (400, True)


def test_tools_of_anthropics_own_are_refused(ask: Application) -> None:
    """A tool that a server runs is no hint: an answer without it would be another."""
    told = asked(ask, "claude", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert told.status == 400
    assert "[tools.0.type] [web_search_20250305] is not supported" in told.json["error"]["message"]


# --- thoughts there and back ------------------------------------------------------------------------------------------


def test_thoughts_of_anthropics_are_told_and_sent_back_as_they_came(faces: Faces) -> None:
    """In blocks of their own before the words, by which the SDK knows them."""
    ask = faces(like_claude)
    told = asked(ask, "claude", thinking={"type": "enabled", "budget_tokens": 1024})
    Message.model_validate(told.json)
    assert told.json["content"] == BLOCKS
    history = [HI, {"role": "assistant", "content": told.json["content"]}, HI]
    asked(ask, "claude", messages=history)
    assert sent(ask)["messages"][1] == history[1]


def test_thoughts_of_others_are_told_when_they_are_asked_for(faces: Faces) -> None:
    """Sealed by the service's name; and they stay with the model that had them: Anthropic would refuse them."""
    ask = faces(lambda call: like_claude(call) if "anthropic" in call.url else json_reply(MUSED))
    assert asked(ask, "chat").json["content"] == [{"type": "text", "text": "Noon."}]
    told = asked(ask, "chat", thinking={"type": "adaptive"})
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "openai:"}
    assert told.json["content"] == [thought, {"type": "text", "text": "Noon."}]
    told = asked(ask, "claude", messages=[HI, {"role": "assistant", "content": told.json["content"]}, HI])
    assert told.status == 200
    assert sent(ask)["messages"][1] == {"role": "assistant", "content": "Noon."}


def test_an_unsealed_thought_knows_whose_it_is() -> None:
    """So that it goes back to the service that had it, and to no other."""
    block = dict(thoughts.written(Thought("Hm."), "openai"))
    kind = block.pop("type")
    assert thoughts.read(Fields(block), kind) == Thought("Hm.", origin="openai")


@pytest.mark.parametrize("beside", [{"member": "reasoning"}, {"extra": {"reasoning_details": [{"data": "x"}]}}])
def test_what_stood_beside_a_thought_comes_back_with_it(beside: dict[str, Any]) -> None:
    """The name that it came by, and what only its server reads."""
    block = dict(thoughts.written(Thought("Hm.", **beside), "openai"))
    kind = block.pop("type")
    assert thoughts.read(Fields(block), kind) == Thought("Hm.", origin="openai", **beside)


@pytest.mark.parametrize("service", ["anthropic", "amazonbedrock"])
@pytest.mark.parametrize("thought", [Thought("Hm.", "c2ln"), Thought("", "c2ln"), Thought(redacted="c2ln")])
def test_a_seal_says_whose_it_is(thought: Thought, service: str) -> None:
    """What a service sealed comes back as its own, untouched."""
    block = dict(thoughts.written(thought, service))
    kind = block.pop("type")
    assert thoughts.read(Fields(block), kind) == Thought(thought.text, thought.signature, thought.redacted, service)


def test_a_thought_of_another_service_is_dropped_by_name(faces: Faces) -> None:
    """Nobody but the one that sealed it can read it."""
    ask = faces(like_claude)
    strange = {"type": "thinking", "thinking": "Hm.", "signature": "amazonbedrock:c2ln"}
    told = asked(ask, "claude", messages=[HI, {"role": "assistant", "content": [strange, BLOCKS[2]]}, HI])
    assert told.headers["x-inferpoint-dropped"] == "thoughts"
    assert sent(ask)["messages"][1] == {"role": "assistant", "content": "Noon."}


def test_what_stopped_an_answer_and_what_it_cost_are_told_as_they_came(faces: Faces) -> None:
    """The words that ended it, and what went to the cache and came from it."""
    told = asked(faces(like_claude), "claude").json
    assert (told["stop_reason"], told["stop_sequence"], told["usage"]) == ("stop_sequence", "END", MESSAGE["usage"])


# --- results of tools -------------------------------------------------------------------------------------------------

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}
USED = [HI, {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}]


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "page 1"}, PNG],
        [PDF],
        [{**PNG, "cache_control": EPHEMERAL}],
        [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "naïve"}, "title": "n"}],
        [{"type": "document", "source": {"type": "url", "url": "https://a.test/x.pdf"}}],
    ],
)
def test_what_a_tool_shows_reaches_anthropic(faces: Faces, content: list[Any]) -> None:
    """Images and documents, marked or not, and that the tool failed."""
    ask = faces(like_claude)
    result = {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": True,
              "cache_control": EPHEMERAL}  # fmt: skip
    assert asked(ask, "claude", messages=[*USED, {"role": "user", "content": [result]}]).status == 200
    assert sent(ask)["messages"][2]["content"] == [result]


@pytest.mark.parametrize("kind", ["search_result", "tool_reference", "video"])
def test_what_a_tool_shows_of_another_kind_is_refused_by_name(ask: Application, kind: str) -> None:
    """Nothing of a result is lost in silence."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": kind}]}
    told = asked(ask, "claude", messages=[*USED, {"role": "user", "content": [result]}])
    assert told.status == 400
    assert f"[messages.2.content.0.content.0.type] [{kind}]" in told.json["error"]["message"]


# --- tokens counted ---------------------------------------------------------------------------------------------------


def counted(ask: Application, model: str, **more: Any) -> Told:
    return ask("POST", "/v1/messages/count_tokens", {"model": model, "messages": [HI], **more}, "beta=true")


def test_anthropic_counts_the_tokens_of_its_models(faces: Faces) -> None:
    """By one call, which names no limit."""
    ask = faces(lambda _: json_reply({"input_tokens": 14}))
    told = counted(ask, "claude", tools=[TOOL], system="Be brief.")
    assert (told.status, told.json) == (200, {"input_tokens": 14})
    (call,) = ask.world.provider.calls
    assert call.url.endswith("/v1/messages/count_tokens")
    assert "max_tokens" not in body(call)


def test_the_tokens_of_others_are_estimated(ask: Application) -> None:
    """Without a call; more words and tools are more tokens."""
    few = counted(ask, "chat").json["input_tokens"]
    more = counted(ask, "chat", messages=[{"role": "user", "content": "The quick brown fox. " * 40}], tools=[TOOL])
    assert 1 < few < 100 < more.json["input_tokens"] < 1000
    assert ask.world.provider.calls == []


@pytest.mark.parametrize("kind", ["image/png", "application/pdf"])
def test_an_image_or_a_document_is_not_taken_for_words(ask: Application, kind: str) -> None:
    """A screenshot of a megabyte has not the tokens of a megabyte of base64, for which an agent would compact."""
    source = {"type": "base64", "media_type": kind, "data": "A" * 60_000}
    block = {"type": "image" if "image" in kind else "document", "source": source}
    tokens = counted(ask, "chat", messages=[{"role": "user", "content": [block]}]).json["input_tokens"]
    assert 1000 < tokens < 3000


def test_what_cannot_be_counted_is_told_in_anthropics_form(faces: Faces) -> None:
    """A model that is not there, one that does not chat, a body that is wrong, a provider that refuses."""
    ask = faces(lambda _: json_reply({"type": "error", "error": {"type": "not_found_error", "message": "No."}}, 404))
    failures = [counted(ask, "nobody"), counted(ask, "vectors"), counted(ask, "chat", messages=[]),
                counted(ask, "claude")]  # fmt: skip
    assert [(told.status, told.json["error"]["type"]) for told in failures] == [
        (404, "not_found_error"),
        (400, "invalid_request_error"),
        (400, "invalid_request_error"),
        (404, "not_found_error"),
    ]


# --- models -----------------------------------------------------------------------------------------------------------


def listed(ask: Application, path: str = "/v1/models", query: str = "") -> Told:
    return ask("GET", path, query=query, headers={"anthropic-version": "2023-06-01"})


def test_endpoints_are_listed_as_anthropics_models(ask: Application) -> None:
    """Page for page, in the form that the SDK reads; without its header they are OpenAI's."""
    page = listed(ask).json
    SyncPage[ModelInfo].model_validate(page)
    names = [model["id"] for model in page["data"]]
    assert {"chat", "claude"} <= set(names)
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, names[0], names[-1])
    first = listed(ask, query="limit=2").json
    assert ([model["id"] for model in first["data"]], first["has_more"]) == (names[:2], True)
    rest = listed(ask, query=f"after_id={first['last_id']}").json
    assert ([model["id"] for model in rest["data"]], rest["has_more"]) == (names[2:], False)
    before = listed(ask, query=f"limit=1&before_id={names[2]}").json
    assert ([model["id"] for model in before["data"]], before["has_more"]) == (names[1:2], True)
    assert ask("GET", "/v1/models").json["object"] == "list"


def test_one_endpoint_is_one_of_anthropics_models(ask: Application) -> None:
    """Also by its name alone."""
    told = listed(ask, "/v1/models/claude")
    assert ModelInfo.model_validate(told.json).id == "claude"


@pytest.mark.parametrize(
    ("path", "query", "status", "kind"),
    [
        ("/v1/models/nobody", "", 404, "not_found_error"),
        ("/v1/models", "limit=0", 400, "invalid_request_error"),
        ("/v1/models", "limit=many", 400, "invalid_request_error"),
        ("/v1/models", "after_id=nobody", 400, "invalid_request_error"),
    ],
)
def test_models_that_are_not_there_are_told_in_anthropics_form(
    ask: Application, path: str, query: str, status: int, kind: str
) -> None:
    """To who speaks it."""
    told = listed(ask, path, query)
    assert (told.status, told.json["type"], told.json["error"]["type"]) == (status, "error", kind)


# --- errors -----------------------------------------------------------------------------------------------------------

TOO_LONG = [
    ("chat", 400, {"error": {"message": "This model's maximum context length is 8192 tokens, however you requested 9",
                             "type": "invalid_request_error", "code": "context_length_exceeded"}}),
    ("chat", 400, {"object": "error", "message": "maximum context length is 8192 tokens", "code": 400}),
    ("chat", 413, {"error": {"message": "Request too large: 8192 tokens"}}),
    ("chat", 422, {"error": {"message": "The context length of 8192 is exceeded"}}),
    ("claude", 400, {"type": "error", "error": {"type": "invalid_request_error",
                                                "message": "prompt is too long: 8193 tokens > 8192 maximum"}}),
    ("claude", 400, {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "input length and `max_tokens` exceed context limit: 8000 + 500 > 8192"}}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "status", "refusal"), TOO_LONG)
def test_a_prompt_that_is_too_long_is_told_in_the_words_for_which_agents_compact(
    faces: Faces, model: str, status: int, refusal: Any
) -> None:
    """By one status and one phrase from whatever provider, with the provider's own words."""
    told = asked(faces(lambda _: json_reply(refusal, status)), model)
    assert (told.status, told.json["error"]["type"]) == (400, "invalid_request_error")
    message = told.json["error"]["message"]
    assert "prompt is too long" in message
    assert "8192" in message


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("invalid_request_error", "invalid_request_error"),
        ("authentication_error", "authentication_error"),
        ("billing_error", "billing_error"),
        ("permission_error", "permission_error"),
        ("not_found_error", "not_found_error"),
        ("request_too_large", "invalid_request_error"),
        ("rate_limit_error", "rate_limit_error"),
        ("api_error", "api_error"),
        ("timeout_error", "timeout_error"),
        ("overloaded_error", "overloaded_error"),
        ("an_error_of_2031", "api_error"),
    ],
)
def test_an_error_in_a_stream_keeps_its_type(faces: Faces, kind: str, told: str) -> None:
    """Anthropic's clients try again by the type; a request that is too large is one to compact."""
    error = {"type": "error", "error": {"type": kind, "message": "No."}}
    begun = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1}}}
    pieces = [f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode() for data in (begun, error)]
    answer = asked(faces(lambda _: Arrived(200, pieces)), "claude", stream=True)
    name, last = answer.events[-1]
    assert (name, last["type"], last["error"]["type"]) == ("error", "error", told)
    assert "No." in last["error"]["message"]
