"""What agents send to models on Bedrock, judged by AWS's own SDK: caching, thinking, histories of tools, and hints."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from bedrock_judge import legal, read, read_stream
from conversing import ARGUMENTS, NAMES, WORDS, usual_choice, whole
from efforts import EFFORTS
from frames import GOLDEN, event, frame
from hypothesis import given, settings
from hypothesis import strategies as st
from played import answered, endpoint, reply, streamed

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import Upstream
from inferpoint.model.chat import (
    CacheHint,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Thinking,
    Thought,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion, Finished, Reasoning, Usage, Used
from inferpoint.protocols.oversize import Oversize
from inferpoint.services.amazonbedrock import account

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
PROVIDERS = ("ai21labs", "amazontitan", "anthropic", "cohere", "meta", "mistral")
KEPT = CacheHint()
POINT = {"cachePoint": {"type": "default"}}
HI = Message(Role.USER, (TextPart("hi"),))
PNG, PDF = "data:image/png;base64,AAAA", "data:application/pdf;base64,AAAA"


def model(provider: str = "anthropic", kind: TaskType = TaskType.CHAT_COMPLETION, **options: Any) -> Resolved:
    stored = {"access_key": "AKIDEXAMPLE", "secret_key": "s", "region": "us-east-1", "provider": provider, "model": "m"}
    return endpoint(kind, "amazonbedrock", stored, options)


def sent(
    conversation: Conversation, provider: str = "anthropic", params: Mapping[str, Any] = {}, **options: Any
) -> dict[str, Any]:
    """The body of the call, when AWS's SDK makes the same call of the same parameters."""
    resolved = model(provider, **options)
    request, stored = InferenceRequest(conversation, params=params), resolved.endpoint
    return legal(resolved.task.encode(request, stored.settings, stored.options, HOST), HOST, "m")


def said(*messages: Message, provider: str = "anthropic", **members: Any) -> list[dict[str, Any]]:
    """The content of the last turn of these messages."""
    return sent(Conversation(messages, **members), provider)["messages"][-1]["content"]


def assistant(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


def result(*parts: Part, called: str = "c1", **members: Any) -> Message:
    return Message(Role.TOOL, parts, called, **members)


CALL = ToolUse("c1", "get_time", '{"city":"Oslo"}')
USE = {"toolUse": {"toolUseId": "c1", "name": "get_time", "input": {"city": "Oslo"}}}
ANSWERED = (HI, assistant(CALL), result(TextPart("12:31")))

# --- caching ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "content"),
    [
        (Message(Role.USER, (TextPart("a", KEPT), TextPart("b"))), [{"text": "a"}, POINT, {"text": "b"}]),
        (Message(Role.USER, (TextPart("a"), TextPart("b", KEPT))), [{"text": "a"}, {"text": "b"}, POINT]),
        (
            Message(Role.USER, (ImagePart(PNG, cache=KEPT), TextPart("b"))),
            [{"image": {"format": "png", "source": {"bytes": "AAAA"}}}, POINT, {"text": "b"}],
        ),
        (
            Message(Role.USER, (FilePart(PDF, cache=KEPT), TextPart("b"))),
            [{"document": {"format": "pdf", "name": "document", "source": {"bytes": "AAAA"}}}, POINT, {"text": "b"}],
        ),
        (assistant(ToolUse("c1", "get_time", '{"city":"Oslo"}', KEPT)), [USE, POINT]),
    ],
)
def test_a_cache_point_stands_after_the_part_that_is_marked(message: Message, content: list[dict[str, Any]]) -> None:
    """Converse has no mark on a part: a block of its own ends what is kept."""
    assert said(HI, message)[-len(content) :] == content


@pytest.mark.parametrize(
    "marked",
    [
        result(TextPart("12:31", KEPT)),
        result(TextPart("12:31"), cache=KEPT),
        result(TextPart("12:31", KEPT), cache=KEPT),
    ],
)
def test_a_marked_result_of_a_tool_has_one_cache_point_after_it(marked: Message) -> None:
    """Inside a result Converse takes none, however often the result is marked."""
    block = {"toolResult": {"toolUseId": "c1", "content": [{"text": "12:31"}]}}
    assert said(HI, assistant(CALL), marked) == [block, POINT]


def test_tools_and_the_systems_words_are_kept_too() -> None:
    """Each place of Converse has its own cache points."""
    system = Message(Role.SYSTEM, (TextPart("Be brief.", KEPT), TextPart("Now.")))
    body = sent(Conversation((system, HI), (Tool("f", cache=KEPT), Tool("g"))))
    assert body["system"] == [{"text": "Be brief."}, POINT, {"text": "Now."}]
    assert [next(iter(block)) for block in body["toolConfig"]["tools"]] == ["toolSpec", "cachePoint", "toolSpec"]


@pytest.mark.parametrize(("ttl", "more"), [(None, {}), ("5m", {}), ("1h", {"ttl": "1h"}), ("2031y", {})])
def test_how_long_it_is_kept(ttl: str | None, more: dict[str, str]) -> None:
    """Five minutes unless it is said: older models know no `ttl`, and no model another than these two."""
    content = said(Message(Role.USER, (TextPart("a", CacheHint(ttl)),)))
    assert content[-1] == {"cachePoint": {"type": "default", **more}}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_hints_that_reach_a_provider(provider: str) -> None:
    """Claude alone caches, thinks and takes its thoughts back; to the others all of it is told as dropped."""
    resolved = model(provider)
    claudes = {"cache_control", "reasoning_effort", "thinking", "thinking.budget_tokens", "thoughts"}
    assert resolved.task.hints(resolved.endpoint.settings, "") == (claudes if provider == "anthropic" else set())


# --- thinking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "native"),
    [
        (Thinking(budget=2048), {"type": "enabled", "budget_tokens": 2048}),
        (Thinking(), {"type": "adaptive"}),
        (Thinking(shown=True), {"type": "adaptive", "display": "summarized"}),
        (Thinking(budget=1024, shown=False), {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}),
        (Thinking(enabled=False), {"type": "disabled"}),
    ],
)
def test_claude_is_asked_to_think_in_its_own_request(asked: Thinking, native: dict[str, Any]) -> None:
    """Converse has no member for it."""
    assert sent(Conversation((HI,), thinking=asked))["additionalModelRequestFields"] == {"thinking": native}


def test_an_endpoints_options_do_not_stand_in_the_way_of_thinking() -> None:
    """A model that thinks takes none of what steers its sampling, and its thoughts count as tokens that it writes."""
    options = {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "max_new_tokens": 64}
    body = sent(Conversation((HI,), thinking=Thinking(budget=2048)), **options)
    assert body["inferenceConfig"] == {"maxTokens": 2112}
    assert body["additionalModelRequestFields"].keys() == {"thinking"}
    body = sent(Conversation((HI,), thinking=Thinking(enabled=False)), **options)
    assert body["inferenceConfig"] == {"maxTokens": 64, "temperature": 0.5, "topP": 0.5}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "disabled"}, "top_k": 3}


@pytest.mark.parametrize(("asked", "native"), EFFORTS)
def test_an_effort_of_openais_asks_claude_to_think(asked: dict[str, Any], native: Any) -> None:
    """Unless Claude would refuse to think, or Anthropic's own client did not ask for it."""
    more = sent(Conversation((HI,), **asked), top_k=3)["additionalModelRequestFields"]
    assert (more.get("thinking"), "top_k" in more) == (native, native in (None, {"type": "disabled"}))


@pytest.mark.parametrize(
    ("effort", "config"),
    [("none", None), ("minimal", {"effort": "low"}), ("low", {"effort": "low"}), ("max", {"effort": "max"})],
)
def test_effort_in_claudes_words(effort: str, config: dict[str, str] | None) -> None:
    """Its least is `low`; not to think is what nobody asks for."""
    assert sent(Conversation((HI,), reasoning_effort=effort)).get("outputConfig") == config


SEALED = Thought("Hm.", "c2ln")
HIDDEN = Thought(redacted="AAAA")
BLOCKS = [
    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
    {"reasoningContent": {"redactedContent": "AAAA"}},
]


def test_thoughts_go_back_as_they_came() -> None:
    """What an answer thought, whole or streamed, stands in the next turn where it stood, before the call it led to."""
    content = [*BLOCKS, USE]
    whole_reply = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
    assert read("Converse", reply(whole_reply))["output"]["message"]["content"]
    (choice,) = completed(whole_reply).choices
    assert choice.thoughts == (SEALED, HIDDEN)
    assert said(HI, assistant(*choice.thoughts, CALL)) == content
    stream = [
        GOLDEN,
        *(piece(0, reasoningContent=more) for more in ({"text": "H"}, {"text": "m."}, {"signature": "c2ln"})),
        piece(1, reasoningContent={"redactedContent": "AAAA"}),
        piece(2, text="Two."),
        event("messageStop", {"stopReason": "end_turn"}),
    ]
    assert len(read_stream(b"".join(stream))) == len(stream)
    deltas, fault = streamed(model(), stream)
    assert fault is None
    assert whole(deltas).choices[0].thoughts == (SEALED, HIDDEN)
    assert Reasoning(redacted="AAAA") in deltas


@pytest.mark.parametrize("thought", [Thought("Hm."), Thought()])
def test_what_no_model_sealed_is_not_sent(thought: Thought) -> None:
    """Claude refuses it; a turn of nothing else goes with it, and its neighbours are one turn."""
    body = sent(Conversation((HI, assistant(thought), Message(Role.USER, (TextPart("Go on."),)))))
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}, {"text": "Go on."}]}]


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "amazontitan"])
@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tool_choice": ToolChoice(ToolMode.AUTO)},
        {"tool_choice": ToolChoice(ToolMode.NONE)},
        {"tools": (Tool("get_time"), Tool("other")), "tool_choice": ToolChoice(ToolMode.NONE)},
    ],
)
def test_calls_in_the_history_bring_their_tools(provider: str, members: dict[str, Any]) -> None:
    """Converse takes no calls without a `toolConfig`: without tools, or where none is to be called, it is made."""
    twice = (*ANSWERED, assistant(ToolUse("c2", "get_time", "")), result(TextPart("12:32"), called="c2"))
    config = sent(Conversation(twice, **members), provider)["toolConfig"]
    (tool,) = config.pop("tools")
    assert (tool["toolSpec"]["name"], config) == ("get_time", {})
    assert "cannot be called" in tool["toolSpec"]["description"]


@pytest.mark.parametrize("choice", [None, ToolMode.AUTO, ToolMode.NONE])
def test_an_empty_list_of_tools_is_none(choice: ToolMode | None) -> None:
    """Some clients always send it, and a choice with it."""
    assert sent(Conversation((HI,), (), choice and ToolChoice(choice))).keys() == {"messages"}


@pytest.mark.parametrize("foreign", ["call:1", "functions.get_time:0", "x" * 65, "日本", "a b", "", "\udcff"])
def test_ids_of_calls_are_legal(foreign: str) -> None:
    """The call and its result have the same id, in Claude's letters; another id becomes another."""
    others = (ToolUse("c1", "f", ""), ToolUse("call_1", "f", ""), ToolUse(foreign, "f", ""))
    turn = said(HI, assistant(*others))
    *_, made = ids = [block["toolUse"]["toolUseId"] for block in turn]
    assert ids[:2] == ["c1", "call_1"]
    assert (made.isascii(), made.replace("_", "").replace("-", "").isalnum(), len(made) <= 64) == (True,) * 3
    assert len(set(ids)) == 3
    (block,) = said(HI, assistant(*others), result(TextPart("r"), called=foreign))
    assert block["toolResult"]["toolUseId"] == made


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((TextPart("See."), ImagePart(PNG)), ["text", "image"]),
        ((ImagePart(PNG),), ["image"]),
        ((FilePart(PDF, "a.pdf"), TextPart("See.")), ["document", "text"]),
        ((FilePart(PDF, "a.pdf"),), ["document", "text"]),
        ((), []),
    ],
)
def test_results_hold_images_and_documents(parts: tuple[Part, ...], content: list[str]) -> None:
    """In their order; a document has words beside it."""
    (block,) = said(HI, assistant(CALL), result(*parts))
    assert [next(iter(inner)) for inner in block["toolResult"]["content"]] == content


@pytest.mark.parametrize("provider", PROVIDERS[2:])
def test_that_a_tool_failed_is_told(provider: str) -> None:
    """Claude takes the status for it; the others read it in words."""
    (block,) = said(HI, assistant(CALL), result(TextPart("No."), failed=True), provider=provider)
    told = {"content": [{"text": "Error:"}, {"text": "No."}]}
    if provider == "anthropic":
        told = {"content": [{"text": "No."}], "status": "error"}
    assert block["toolResult"] == {"toolUseId": "c1", **told}


CACHES = st.sampled_from([None, CacheHint(), CacheHint("5m"), CacheHint("1h")])
TEXTS = st.builds(TextPart, WORDS, CACHES)
SEEN = TEXTS | st.builds(ImagePart, st.just(PNG), cache=CACHES) | st.builds(FilePart, st.just(PDF), WORDS, CACHES)
USES = st.builds(ToolUse, WORDS, NAMES, ARGUMENTS.map(json.dumps), CACHES)
THOUGHTS = st.builds(Thought, WORDS, st.none() | st.just("c2ln")) | st.just(HIDDEN)


@st.composite
def agents(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns of a user and of an agent that thinks and calls tools, each with its result."""
    turns = [HI]
    for _ in range(draw(st.integers(1, 3))):
        uses = draw(st.lists(USES, max_size=3, unique_by=lambda use: use.id))
        turns.append(assistant(*draw(st.lists(THOUGHTS, max_size=2)), *draw(st.lists(TEXTS, max_size=2)), *uses))
        for use in uses:
            parts, failed = draw(st.lists(SEEN, max_size=3)), draw(st.booleans())
            turns.append(result(*parts, called=use.id, failed=failed, cache=draw(CACHES)))
        turns.append(Message(Role.USER, tuple(draw(st.lists(SEEN, max_size=3)))))
    return tuple(turns)


@settings(max_examples=100, deadline=None)
@given(agents(), st.booleans())
def test_whatever_an_agent_has_said_goes_on(turns: tuple[Message, ...], stream: bool) -> None:
    """Turns alternate; each call has its result by a legal id; sealed thoughts stand where they were."""
    request, resolved = InferenceRequest(Conversation(turns), stream=stream), model()
    call = resolved.task.encode(request, resolved.endpoint.settings, resolved.endpoint.options, HOST)
    body = legal(call, HOST, "m", "ConverseStream" if stream else "Converse")
    assert all(one["role"] != other["role"] for one, other in pairwise(body["messages"]))
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    called = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    assert called == [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in called)
    sealed = [part for turn in turns for part in turn.thoughts if part.signature or part.redacted]
    assert len([block for block in blocks if "reasoningContent" in block]) == len(sealed)
    assert ("toolConfig" in body) == bool(called)


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "stop", "kept"),
    [
        ("anthropic", ("", " ", "\n", "x", " y"), ["x", " y"]),
        ("anthropic", ("\n\n",), None),
        ("meta", ("", "\n", "x"), ["\n", "x"]),
        ("meta", ("",), None),
    ],
)
def test_blank_stop_sequences_are_left_out(provider: str, stop: tuple[str, ...], kept: list[str] | None) -> None:
    """Empty ones are refused by every model, white space by Claude alone."""
    body = sent(Conversation((HI,), stop=stop), provider)
    assert body.get("inferenceConfig", {}).get("stopSequences") == kept
    assert ("additionalModelResponseFieldPaths" in body) == (provider == "anthropic" and kept is not None)


@pytest.mark.parametrize("fields", [{"stop_sequence": "END"}, {"delta": {"stop_sequence": "END"}}])
def test_the_stop_sequence_that_was_met_is_told(fields: dict[str, Any]) -> None:
    """At either place where Claude says it, whole and streamed."""
    paths = sent(Conversation((HI,), stop=("END",)))["additionalModelResponseFieldPaths"]
    assert paths == ["/stop_sequence", "/delta/stop_sequence"]
    end = {"stopReason": "stop_sequence", "additionalModelResponseFields": fields}
    assert completed({"output": {"message": {"content": [{"text": "a"}]}}, **end}).choices == [
        usual_choice("a", reason="stop", stop_sequence="END")
    ]
    deltas, _ = streamed(model(), [GOLDEN, event("messageStop", end)])
    assert deltas[-1] == Finished(0, "stop", "END")


@pytest.mark.parametrize("fields", [None, {}, [], "END", {"stop_sequence": None}, {"delta": None}])
def test_no_stop_sequence_is_told_where_none_was_met(fields: Any) -> None:
    """Whatever stands there."""
    end = {"stopReason": "end_turn", "additionalModelResponseFields": fields}
    assert completed({"output": {"message": {"content": []}}, **end}).choices[0].stop_sequence is None


def test_an_answer_that_is_begun_has_no_white_space_at_its_end() -> None:
    """Claude refuses to go on after it; white space before other words stays."""
    assert said(HI, assistant(TextPart("The answer is: \n"))) == [{"text": "The answer is:"}]
    assert sent(Conversation((HI, assistant(TextPart("a ")), HI)))["messages"][1]["content"] == [{"text": "a "}]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_any_json_object_is_asked_for_in_words(provider: str) -> None:
    """Converse has a form for a schema only; a model without a system's turn reads it in the user's."""
    body = sent(Conversation((HI,)), provider, {"response_format": {"type": "json_object"}})
    place = body["messages"][0]["content"] if provider == "amazontitan" else body["system"]
    assert "JSON object" in place[0]["text"]


# --- answers ----------------------------------------------------------------------------------------------------------


def completed(body: dict[str, Any], provider: str = "anthropic") -> Completion:
    answer = answered(model(provider), reply(body))
    assert isinstance(answer, Completion)
    return answer


def piece(index: int, **delta: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": "end_turn"}
COUNTS = {"inputTokens": 3, "outputTokens": 5, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 20}


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (COUNTS, Usage(123, 5, 100, cache_written=20)),
        ({**COUNTS, "cacheReadInputTokens": None}, Usage(23, 5, cache_written=20)),
        ({"inputTokens": 3.0, "outputTokens": [5]}, Usage(3, 5)),
        ({"inputTokens": -1, "outputTokens": 5}, Usage(0, 5)),
        ({"inputTokens": "3", "outputTokens": 1.5, "cacheWriteInputTokens": True}, None),
        ({"inputTokens": 0, "outputTokens": 0}, Usage(0, 0)),
        ({}, None),
        (None, None),
        ([], None),
        ("many", None),
    ],
)
def test_usage_of_any_shape_never_costs_an_answer(usage: Any, cost: Usage | None) -> None:
    """Whole and streamed; what is no count is not known."""
    body = completed({**ANSWER, "usage": usage})
    assert (body.choices[0].text, body.usage) == ("a", cost)
    stop = event("messageStop", {"stopReason": "end_turn"})
    deltas, fault = streamed(model(), [GOLDEN, stop, event("metadata", {"usage": usage})])
    assert fault is None
    assert [delta for delta in deltas if isinstance(delta, Used)] == ([] if cost is None else [Used(cost)])


def test_an_end_that_contradicts_the_answer_is_put_right() -> None:
    """An answer with a call ended for the call; one that was cut off did not."""
    for stop, reason in (("end_turn", "tool_calls"), (None, "tool_calls"), ("max_tokens", "length")):
        body = {"output": {"message": {"content": [USE]}}, "stopReason": stop}
        assert completed(body).choices[0].reason == reason
        start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "c1", "name": "f"}}}
        stream = [event("contentBlockStart", start), event("messageStop", {"stopReason": stop})]
        assert streamed(model(), stream)[0][-1] == Finished(0, reason)


@pytest.mark.parametrize("content", [None, [], [{"text": None}], [{"reasoningContent": {}}]])
def test_an_answer_of_nothing_is_an_answer(content: Any) -> None:
    """A model that used its tokens up before it wrote anything still ended."""
    body = {"output": {"message": {"content": content}}, "stopReason": "max_tokens"}
    (choice,) = completed(body).choices
    assert (choice.text, choice.reason) == ("", "length")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "Input is too long for requested model.",
        "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
        "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        "The model returned the following errors: input length and `max_tokens` exceed context limit: 190000 + 20000",
        "This model's maximum context length is 131072 tokens. Please reduce the length of the prompt",
        "too many total text tokens: 300000 > 200000",
    ],
)
def test_words_that_tell_a_context_that_overflows(words: str) -> None:
    """Those of Bedrock itself, and those of the models that it passes on."""
    assert account.FAILURES.oversize(Upstream(400, words, "ValidationException")) is Oversize.TOKENS


@pytest.mark.parametrize("words", ["Malformed input request", "The provided model identifier is invalid.", "Too many"])
def test_words_that_do_not(words: str) -> None:
    """Another refusal of the same status is no overflow."""
    assert account.FAILURES.oversize(Upstream(400, words, "ValidationException")) is None


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"<p>", b'{"message":["No."]}', b'{"message":null}'])
def test_an_exception_in_a_stream_is_one_in_any_form(payload: bytes) -> None:
    """Its type tells the status, whatever its body is."""
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}
    _, fault = streamed(model(), [GOLDEN, frame(headers, payload)])
    assert fault is not None
    assert fault.upstream == Upstream(429, "", "throttlingException")
