"""What agents send beside the words: thinking, marks for the cache, members of tools, and the count of a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from anthropic.types.beta.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from efforts import EFFORTS
from msgspec.structs import replace
from played import endpoint, reply
from pydantic import TypeAdapter

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import (
    CacheHint,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    Thinking,
    Thought,
    Tool,
    ToolUse,
)
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest

BODY = TypeAdapter(MessageCreateParamsNonStreaming)
COUNTED = TypeAdapter(MessageCountTokensParams)
HI = Message(Role.USER, (TextPart("hi"),))
ORIGIN = "https://a.test"
EPHEMERAL = {"type": "ephemeral"}
HOUR = CacheHint("1h")


def claude(settings: Mapping[str, Any] | None = None, **options: Any) -> Resolved:
    given = {"api_key": "sk-ant-example", "model_id": "claude-sonnet-4-6", **(settings or {})}
    return endpoint(TaskType.CHAT_COMPLETION, "anthropic", given, {"max_tokens": 1024, **options})


def called(conversation: Conversation, resolved: Resolved | None = None, **more: Any) -> Call:
    resolved = resolved or claude()
    stored = resolved.endpoint
    return resolved.task.encode(InferenceRequest(conversation, **more), stored.settings, stored.options, ORIGIN)


def sent(conversation: Conversation, resolved: Resolved | None = None, **more: Any) -> dict[str, Any]:
    body = json.loads(called(conversation, resolved, **more).body)
    if not more:
        BODY.validate_python(body)
    return body


def turn(*parts: Any, role: Role = Role.USER, **more: Any) -> Conversation:
    before = [] if role is Role.USER else [HI]
    return Conversation((*before, Message(role, parts, **more)))


# --- marks for the cache ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (CacheHint(), EPHEMERAL),
        (CacheHint("5m"), {**EPHEMERAL, "ttl": "5m"}),
        (HOUR, {**EPHEMERAL, "ttl": "1h"}),
        (CacheHint(scope="global"), {**EPHEMERAL, "scope": "global"}),
    ],
)
def test_a_mark_is_told_as_it_was_asked(hint: CacheHint, told: dict[str, Any]) -> None:
    """A marked text stays a block, as a string has no place for the mark."""
    (message,) = sent(turn(TextPart("long", hint)))["messages"]
    assert message["content"] == [{"type": "text", "text": "long", "cache_control": told}]


@pytest.mark.parametrize(
    "part",
    [
        TextPart("a", HOUR),
        ImagePart("https://a.test/x.png", cache=HOUR),
        FilePart("data:application/pdf;base64,AAAA", cache=HOUR),
        FilePart("https://a.test/x.pdf", cache=HOUR),
    ],
)
def test_every_part_of_a_users_turn_can_be_marked(part: Any) -> None:
    """A text, an image, a document; each without its mark is the same block without it."""
    (block,) = sent(turn(part))["messages"][0]["content"]
    assert block.pop("cache_control") == {**EPHEMERAL, "ttl": "1h"}
    (plain,) = sent(turn(replace(part, cache=None), TextPart("b")))["messages"][0]["content"][:1]
    assert plain == block


def test_calls_results_tools_and_the_systems_words_can_be_marked() -> None:
    """Each where it stands; a result both as a whole and in its parts."""
    use, result = ToolUse("c1", "f", "{}", HOUR), (TextPart("1", HOUR),)
    conversation = Conversation(
        (
            Message(Role.SYSTEM, (TextPart("rules", HOUR), TextPart("more"))),
            HI,
            Message(Role.ASSISTANT, (use,)),
            Message(Role.TOOL, result, tool_call_id="c1", cache=HOUR),
        ),
        (Tool("f", cache=HOUR), Tool("g")),
    )
    body = sent(conversation)
    marked = {**EPHEMERAL, "ttl": "1h"}
    assert [block.get("cache_control") for block in body["system"]] == [marked, None]
    assert [tool.get("cache_control") for tool in body["tools"]] == [marked, None]
    assert body["messages"][1]["content"][0]["cache_control"] == marked
    (answer,) = body["messages"][2]["content"]
    assert (answer["cache_control"], answer["content"][0]["cache_control"]) == (marked, marked)


# --- thinking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thinking", "told"),
    [
        (None, None),
        (Thinking(enabled=False), {"type": "disabled"}),
        (Thinking(), {"type": "adaptive"}),
        (Thinking(shown=True), {"type": "adaptive", "display": "summarized"}),
        (Thinking(shown=False), {"type": "adaptive", "display": "omitted"}),
        (Thinking(budget=1024), {"type": "enabled", "budget_tokens": 1024}),
        (Thinking(budget=2048, shown=False), {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}),
    ],
)
def test_thinking_is_asked_for_in_anthropics_words(thinking: Thinking | None, told: Any) -> None:
    """With a budget, adapting, or not at all."""
    assert sent(replace(turn(TextPart("hi")), thinking=thinking)).get("thinking") == told


@pytest.mark.parametrize(
    ("thinking", "wanted"),
    [
        (None, {"max_tokens": 1024, "temperature": 0.5, "top_k": 3}),
        (Thinking(enabled=False), {"max_tokens": 1024, "temperature": 0.5, "top_k": 3}),
        (Thinking(), {"max_tokens": 1024}),
        (Thinking(budget=1024), {"max_tokens": 2048}),
    ],
)
def test_the_endpoints_settings_make_way_for_thinking(thinking: Thinking | None, wanted: dict[str, Any]) -> None:
    """A model that thinks takes no temperature and no top_k, and its budget must leave room for the answer."""
    resolved = claude(temperature=0.5, top_k=3)
    body = sent(replace(turn(TextPart("hi")), thinking=thinking), resolved)
    assert {name: body[name] for name in ("max_tokens", "temperature", "top_k") if name in body} == wanted
    own = sent(Conversation((HI,), max_tokens=7, temperature=1.0, thinking=thinking), resolved)
    assert (own["max_tokens"], own["temperature"]) == (7, 1.0)


@pytest.mark.parametrize(("asked", "native"), EFFORTS)
def test_an_effort_of_openais_asks_claude_to_think(asked: dict[str, Any], native: Any) -> None:
    """Unless Claude would refuse to think, or Anthropic's own client did not ask for it."""
    body = sent(Conversation((HI,), **asked), claude(top_k=3))
    assert (body.get("thinking"), "top_k" in body) == (native, native in (None, {"type": "disabled"}))


@pytest.mark.parametrize(
    ("model", "budgeted"),
    [
        ("claude-3-7-sonnet-latest", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-1@20250805", True),
        ("claude-haiku-4-5", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("claude-opus-4-6", False),
        ("claude-opus-4-10", False),
        ("claude-sonnet-5", False),
        ("claude-mythos-preview", False),
        ("anthropic.claude-opus-4-6-v1", False),
        ("anthropic/claude-opus-4.1", True),
        ("anthropic/claude-opus-4.7", False),
    ],
)
def test_older_models_think_by_a_budget(model: str, *, budgeted: bool) -> None:
    """Those before 4.6 know no adaptive thinking, and take a budget in place of the effort."""
    body = sent(Conversation((HI,), reasoning_effort="medium"), claude({"model_id": model}))
    told = {"type": "enabled", "budget_tokens": 8000} if budgeted else {"type": "adaptive", "display": "summarized"}
    assert (body["thinking"], "output_config" in body) == (told, not budgeted)
    assert body["max_tokens"] == 1024 + (8000 if budgeted else 0)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_budget_needs_the_thought_that_a_tool_was_called_with(*, sealed: bool) -> None:
    """Going on from a tool's result, older models refuse to think where the call's own thought is lost."""
    thought = (Thought("Hm.", "c2ln", origin="anthropic"),) if sealed else ()
    calling = Message(Role.ASSISTANT, (*thought, ToolUse("t", "f", "{}")))
    result = Message(Role.TOOL, (TextPart("4"),), tool_call_id="t")
    asked = Conversation((HI, calling, result), (Tool("f"),), reasoning_effort="high")
    assert ("thinking" in sent(asked, claude({"model_id": "claude-sonnet-4-5"}))) is sealed


@pytest.mark.parametrize(("limit", "budget"), [(4096, 2048), (2048, 1024), (2047, None), (50_000, 16_000)])
def test_a_budget_leaves_half_of_the_callers_limit_to_the_answer(limit: int, budget: int | None) -> None:
    """A budget of less than Anthropic takes is none."""
    asked = Conversation((HI,), reasoning_effort="high", max_tokens=limit)
    body = sent(asked, claude({"model_id": "claude-sonnet-4-5"}))
    assert (body.get("thinking", {}).get("budget_tokens"), body["max_tokens"]) == (budget, limit)


@pytest.mark.parametrize(
    ("effort", "told"),
    [(None, None), ("none", None), ("minimal", "low"), ("low", "low"), ("high", "high"), ("max", "max")],
)
def test_an_effort_is_one_that_anthropic_knows(effort: str | None, told: str | None) -> None:
    """Not to think is what it does unasked, and its least is `low`."""
    assert sent(replace(turn(TextPart("hi")), reasoning_effort=effort)).get("output_config", {}).get("effort") == told


@pytest.mark.parametrize(
    ("thought", "block"),
    [
        (Thought("Hm.", "c2ln", origin="anthropic"), {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}),
        (Thought("", "c2ln", origin="anthropic"), {"type": "thinking", "thinking": "", "signature": "c2ln"}),
        (Thought(redacted="c2ln", origin="anthropic"), {"type": "redacted_thinking", "data": "c2ln"}),
        (Thought("Hm."), None),
    ],
)
def test_thoughts_go_back_in_their_place(thought: Thought, block: dict[str, Any] | None) -> None:
    """Before the call that they led to, as they came; one that nobody signed is another model's, and is not sent."""
    use = ToolUse("c1", "f", "{}")
    body = sent(turn(thought, TextPart("So:"), use, role=Role.ASSISTANT))
    kinds = [inner["type"] for inner in body["messages"][1]["content"]]
    assert kinds == [*([block["type"]] if block else []), "text", "tool_use"]
    assert block is None or body["messages"][1]["content"][0] == block


# --- hints ------------------------------------------------------------------------------------------------------------


def test_members_of_tools_go_on() -> None:
    """Those that only Anthropic knows."""
    hints = {"eager_input_streaming": True, "defer_loading": False, "input_examples": [{"a": 1}]}
    (tool,) = sent(replace(turn(TextPart("hi")), tools=(Tool("f", hints=hints),)))["tools"]
    assert hints.items() <= tool.items()


def test_hints_of_a_request_go_where_anthropic_reads_them() -> None:
    """The caller's betas as a header, the rest in the body; nothing is there that was not asked."""
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    hints = {"context_management": edits, "anthropic_beta": "a-1,b-2", "user": "ada", "cache_control": EPHEMERAL}
    call = called(turn(TextPart("hi")), hints=hints)
    body = json.loads(call.body)
    assert call.headers["anthropic-beta"] == "a-1,b-2"
    assert (body["context_management"], body["metadata"], body["cache_control"]) == (
        edits,
        {"user_id": "ada"},
        EPHEMERAL,
    )
    plain = called(turn(TextPart("hi")))
    assert "anthropic-beta" not in plain.headers
    assert json.loads(plain.body).keys() == {"model", "max_tokens", "messages"}


# --- the count of a prompt --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (None, f"{ORIGIN}/v1/messages/count_tokens"),
        ("https://b.test/v1/messages", "https://b.test/v1/messages/count_tokens"),
    ],
)
def test_a_prompt_is_counted_as_it_would_be_asked(url: str | None, address: str) -> None:
    """Messages, system, tools and thinking; nothing of how to answer, which the count refuses."""
    resolved = claude({"url": url} if url else None, temperature=0.5)
    conversation = Conversation(
        (Message(Role.SYSTEM, (TextPart("Be brief."),)), HI),
        (Tool("f"),),
        max_tokens=5,
        stop=("x",),
        thinking=Thinking(budget=1024),
    )
    assert resolved.task.count is not None
    request = InferenceRequest(conversation, hints={"anthropic_beta": "a-1", "user": "ada"})
    call = resolved.task.count.encode(request, resolved.endpoint.settings, resolved.endpoint.options, ORIGIN)
    body = json.loads(call.body)
    assert call.url == address
    assert call.headers["anthropic-beta"] == "a-1"
    assert body.keys() == {"model", "messages", "system", "tools", "thinking"}
    COUNTED.validate_python(body)


def test_the_count_is_read() -> None:
    """Anything but a number is unreadable."""
    count = claude().task.count
    assert count is not None
    assert count.decode(reply({"input_tokens": 14})) == 14
    for body in (b"", {"input_tokens": None}, {"input_tokens": "14"}, {}):
        with pytest.raises(InferenceError) as error:
            count.decode(reply(body))
        assert error.value.kind is Kind.UNREADABLE


# --- made legal -------------------------------------------------------------------------------------------------------

STRANGE = ("functions.f:0", "functions.f.0", "ü", "", "a" * 65, "a" * 66)


def test_ids_of_another_providers_calls_are_made_legal() -> None:
    """No two become one, each is the same in the call and in its result, and legal ones stay."""
    names = (*STRANGE, "toolu_01", "call-1")
    results = [Message(Role.TOOL, (TextPart("1"),), tool_call_id=name) for name in names]
    uses = Message(Role.ASSISTANT, tuple(ToolUse(name, "f", "{}") for name in names))
    _, calls, answers = sent(Conversation((HI, uses, *results), (Tool("f"),)))["messages"]
    ids = [block["id"] for block in calls["content"]]
    assert ids == [block["tool_use_id"] for block in answers["content"]]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", called) for called in ids)
    assert ids[len(STRANGE) :] == ["toolu_01", "call-1"]


@pytest.mark.parametrize(
    ("stop", "told"), [((), None), (("",), None), (("", " \n", "END"), ["END"]), ((" END",), [" END"])]
)
def test_blank_stops_are_none(stop: tuple[str, ...], told: list[str] | None) -> None:
    """Anthropic refuses those of white space alone."""
    assert sent(replace(turn(TextPart("hi")), stop=stop)).get("stop_sequences") == told


@pytest.mark.parametrize(
    ("text", "told"), [("Answer: ", "Answer:"), ("Answer:\n\n", "Answer:"), (" Answer", " Answer")]
)
def test_an_answer_that_is_begun_ends_without_white_space(text: str, told: str) -> None:
    """Anthropic refuses what it would have to go on from there; earlier turns keep theirs."""
    begun = Message(Role.ASSISTANT, (TextPart(text),))
    messages = sent(Conversation((HI, begun, HI, begun)))["messages"]
    assert [message["content"] for message in messages] == ["hi", text, "hi", told]


def test_any_json_object_is_asked_for_in_words() -> None:
    """After the system's own words: a schema would have to name the members."""
    conversation = Conversation((Message(Role.SYSTEM, (TextPart("Be brief."),)), HI))
    body = sent(conversation, params={"response_format": {"type": "json_object"}})
    system, form = (block["text"] for block in body["system"])
    assert (system, "JSON object" in form) == ("Be brief.", True)
    assert "output_config" not in body


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("claude-haiku-4-5", None),
        ("claude-opus-4-1-20250805", None),
        ("claude-3-7-sonnet-latest", None),
        ("claude-opus-4-5-20251101", {"effort": "high"}),
        ("claude-sonnet-4-6", {"effort": "high"}),
        ("claude-opus-5", {"effort": "high"}),
    ],
)
@pytest.mark.parametrize("more", [{"temperature": 0.5}, {"effort_only": True}])
def test_an_effort_without_thinking_is_told_to_who_knows_one(model: str, told: Any, more: dict[str, Any]) -> None:
    """Of the models before 4.6 Opus 4.5 alone takes an effort; the others refuse the whole request."""
    asked = Conversation((HI,), reasoning_effort="high", **more)
    assert sent(asked, claude({"model_id": model})).get("output_config") == told


@pytest.mark.parametrize("model", ["claude-3-5-sonnet-20241022", "claude-3-haiku-20240307", "claude-2.1"])
def test_models_before_3_7_are_not_asked_to_think(model: str) -> None:
    """How to think is a hint that they have no place for, so the caller is told that it was left out."""
    resolved = claude({"model_id": model})
    taken = resolved.task.hints(resolved.endpoint.settings, "")
    assert {"thinking", "thinking.budget_tokens", "reasoning_effort", "thoughts"}.isdisjoint(taken)
    assert "cache_control" in taken


@pytest.mark.parametrize(
    ("model", "budgeted"),
    [
        ("claude-3-7-sonnet-latest", True),
        ("claude-sonnet-4-20250514", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("claude-opus-4-6", True),
        ("a-model-of-ours", True),
        ("claude-opus-4-7", False),
        ("anthropic/claude-opus-4.7", False),
        ("anthropic.claude-opus-4-10-v1", False),
        ("claude-sonnet-5-20260601", False),
    ],
)
def test_models_from_4_7_on_take_no_budget(model: str, *, budgeted: bool) -> None:
    """They refuse it: how much to think is a hint, of which they are told that they are to think."""
    resolved = claude({"model_id": model})
    taken = resolved.task.hints(resolved.endpoint.settings, "")
    assert ("thinking" in taken, "thinking.budget_tokens" in taken) == (True, budgeted)
