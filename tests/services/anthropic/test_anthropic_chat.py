"""Chats with Anthropic's models, with the types of its SDK as the judge."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from conversing import asking, dialogues, substance, usual_choice, whole
from hypothesis import given, settings
from played import answered, endpoint, reply, streamed
from pydantic import TypeAdapter

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Choice, Completion, Finished, Reasoning, Text, ToolCall, Usage

OF = "for the Anthropic chat completion API"
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}
CALLED = [
    *HI,
    {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
]
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "1"}
BODY = TypeAdapter(MessageCreateParamsNonStreaming)  # made once: that takes 0.08 s
EVENT = TypeAdapter[Any](RawMessageStreamEvent)


def claude(**options: Any) -> Resolved:
    given = {"api_key": "sk-ant-example", "model_id": "claude-sonnet-4-5"}
    return endpoint(TaskType.CHAT_COMPLETION, "anthropic", given, {"max_tokens": 1024, **options})


def sent(body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    resolved = claude(**options)
    stored = resolved.endpoint
    return json.loads(resolved.task.encode(asking(body), stored.settings, stored.options, "https://a.test").body)


def content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(data: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **more}}


# --- what is sent -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(dialogues())
def test_what_is_said_arrives(messages: list[dict[str, Any]]) -> None:
    """Roles, texts, calls, ids, in their order; the SDK's types take the body; turns alternate."""
    body = sent({"messages": messages, "tools": [TOOL]})
    BODY.validate_python(body)
    roles = [turn["role"] for turn in body["messages"]]
    assert all(one != next_one for one, next_one in pairwise(roles))
    found: list[tuple[Any, ...]] = []
    for turn in body["messages"]:
        blocks = turn["content"]
        for block in [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks:
            match block:
                case {"type": "text", "text": text}:
                    found.append((turn["role"], "says", text))
                case {"type": "tool_use", "id": called, "name": name, "input": arguments}:
                    found.append((turn["role"], "calls", called, name, arguments))
                case {"type": "tool_result", "tool_use_id": called}:
                    texts = [each["text"] for each in block.get("content", ())]
                    found.append((turn["role"], "answers", called, "".join(texts)))
    assert ([block["text"] for block in body.get("system", ())], found) == substance(messages)


def test_what_is_not_said_is_not_sent() -> None:
    """But for the endpoint's options, which give way to the request."""
    assert sent({"messages": HI}) == {"model": "claude-sonnet-4-5", "max_tokens": 1024, "messages": HI}
    options = {"temperature": 0.5, "top_p": 0.25, "top_k": 3}
    assert sent({"messages": HI}, **options).items() >= options.items()
    asked = {"messages": HI, "temperature": 0, "top_p": 1, "max_completion_tokens": 7, "model": "claude-opus-4-5"}
    found = sent(asked, **options)
    assert [found[name] for name in ("temperature", "top_p", "top_k", "max_tokens")] == [0, 1, 3, 7]
    assert found["model"] == "claude-opus-4-5"


def test_fields_that_say_nothing_are_taken() -> None:
    """Clients send the defaults of OpenAI's."""
    nothing = {"n": 1, "parallel_tool_calls": True, "response_format": {"type": "text"}, "seed": None, "store": False}
    assert sent({"messages": HI, **nothing}) == sent({"messages": HI})


@pytest.mark.parametrize(
    ("choice", "sequential", "wanted"),
    [
        (None, False, None),
        ("auto", False, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", False, {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, False, {"type": "tool", "name": "f"}),
        (None, True, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", True, {"type": "none"}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools(choice: Any, wanted: Any, *, sequential: bool) -> None:
    """In Anthropic's words."""
    body = {"messages": HI, "tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": not sequential}
    assert sent(body).get("tool_choice") == wanted


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        ({"name": "f"}, {"name": "f", "input_schema": {"type": "object", "properties": {}}}),
        ({"name": "f", "description": "", "parameters": {}},
         {"name": "f", "input_schema": {"type": "object", "properties": {}}}),
        ({"name": "f", "description": "d", "strict": True, "parameters": {"properties": {"x": {}}, "required": ["x"]}},
         {"name": "f", "description": "d", "strict": True,
          "input_schema": {"type": "object", "properties": {"x": {}}, "required": ["x"]}}),
    ],
)  # fmt: skip
def test_a_tool(function: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Its schema is always there, and that of an object."""
    assert sent({"messages": HI, "tools": [{"type": "function", "function": function}]})["tools"] == [wanted]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (image("https://a.test/x.png"), {"type": "image", "source": {"type": "url", "url": "https://a.test/x.png"}}),
        (image("data:image/jpg;charset=x;base64,AAAA", detail="auto"),
         {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}}),
        (file("data:application/pdf;base64,AAAA"),
         {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}),
        (file("data:text/plain;base64," + base64.b64encode("naïve".encode()).decode(), filename="n.txt"),
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "naïve"},
          "title": "n.txt"}),
    ],
)  # fmt: skip
def test_images_and_files(part: dict[str, Any], block: dict[str, Any]) -> None:
    """As blocks of the user's turn, and of a tool's result."""
    body = sent(content(part))
    assert body["messages"] == [{"role": "user", "content": [block]}]
    BODY.validate_python(body)
    body = sent({"messages": [*CALLED, {**RESULT, "content": [part]}], "tools": [TOOL]})
    assert body["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "c1", "content": [block]}]
    BODY.validate_python(body)


def test_numbers_in_arguments_stay_as_they_are() -> None:
    """They are the model's words, and nobody counts with them here."""
    messages = json.loads(json.dumps(CALLED))
    messages[1]["tool_calls"][0]["function"]["arguments"] = '{"n": 123456789012345678901234567890, "x": 1.10}'
    resolved = claude()
    call = resolved.task.encode(
        asking({"messages": [*messages, RESULT]}), resolved.endpoint.settings, resolved.endpoint.options, "https://a"
    )
    assert b'"input":{"n": 123456789012345678901234567890, "x": 1.10}' in call.body


def arguments(text: str) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": text}}
    return {"messages": [*HI, {"role": "assistant", "tool_calls": [call]}, RESULT]}


SUPPORTED = "[image/jpeg, image/png, image/gif, image/webp]"
DATA = "a base64 data URI with the format [data:{MIME-type};base64,...]"
CANNOT: list[tuple[dict[str, Any], str]] = [
    *(({name: value}, f"Field [{name}] is not supported {OF}") for name, value in [
        ("n", 2), ("seed", 5), ("logprobs", True), ("presence_penalty", 0.5), ("frequency_penalty", 1),
        ("logit_bias", {"1": 1}), ("x", 0),
    ]),
    ({"temperature": 1.5}, f"Field [temperature] is [1.5] and must be between 0 and 1 {OF}"),
    ({"reasoning_effort": "utmost"},
     f"Field [reasoning_effort] is [utmost], not one of [low, medium, high, xhigh, max], {OF}"),
    ({"response_format": {"type": "grammar"}},
     f"Field [response_format] must be [json_object], or a [json_schema] with a [schema], {OF}"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
     f"Field [response_format] must be [json_object], or a [json_schema] with a [schema], {OF}"),
    ({"parallel_tool_calls": "no"}, f"Field [parallel_tool_calls] must be true or false {OF}"),
    ({"tool_choice": "required"}, f"Field [tool_choice] needs [tools] {OF}"),
    *((arguments(text), f"Field [arguments] in object [function] of the tool call [c1] must be a JSON object {OF}")
      for text in ("{", "[]", "null", "5", '{"a":1e999}', "{'a': 1}", "[" * 5000, '{"a":"\udc00"}')),
    (content(image("ftp://a.test/x")),
     f"Field [url] in object [image_url] must be an HTTP(S) URL or {DATA} {OF}"),
    (content(image("data:image/png,%00")),
     f"Field [url] in object [image_url] must be an HTTP(S) URL or {DATA} {OF}"),
    (content(image("data:image/png;base64,A*")),
     f"Field [url] in object [image_url] has a payload that is not base64, {OF}"),
    (content(image("data:image/tiff;base64,AAAA")),
     f"Field [url] in object [image_url] has the media type [image/tiff], not one of {SUPPORTED}, {OF}"),
    (content(image("https://a.test/x", detail="low")),
     f"Field [detail] in object [image_url] is [low], which has no meaning {OF}"),
    (content(file("AAAA")), f"Field [file_data] in object [file] must be {DATA} {OF}"),
    (content(file("data:text/csv;base64,AAAA")),
     "Field [file_data] in object [file] has the media type [text/csv], not one of [application/pdf, text/plain],"
     f" {OF}"),
    (content(file("data:text/plain;base64,/w==")),
     f"Field [file_data] in object [file] is text that is not UTF-8, {OF}"),
    ({"messages": [*HI, {"role": "assistant", "content": [image("https://a.test/x")]}]},
     f"Field [content] of a message of the role [assistant] can only be text {OF}"),
    ({"messages": [*HI, {"role": "system", "content": [image("https://a.test/x")]}]},
     f"Field [content] of a message of the role [system] can only be text {OF}"),
    ({"messages": [{"role": "system", "content": "Be brief."}]},
     "Field [messages] must hold a message with content beside those of the role [system]"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "problem"), CANNOT)
def test_what_cannot_be_expressed_is_refused_by_name(body: dict[str, Any], problem: str) -> None:
    """Nothing is dropped."""
    with pytest.raises(InferenceError) as error:
        sent({"messages": HI, **body})
    assert (error.value.kind, error.value.problems) == (Kind.INVALID, (problem,))


# --- what comes back --------------------------------------------------------------------------------------------------


def message(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks),
            "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 2, "output_tokens": 3},
            **more}  # fmt: skip


BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "text", "text": "Two. ", "citations": None},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    {"type": "redacted_thinking", "data": "c2ln"},
    {"type": "tool_use", "id": "t2", "name": "g", "input": {"a": [1, 2.50, "é"]}},
    {"type": "text", "text": "Done.", "citations": None},
]
CALLS = (ToolCall(0, "t1", "f", "{}"), ToolCall(1, "t2", "g", '{"a":[1,2.50,"é"]}'))
THOUGHTS = (Thought("Hm.", "c2ln"), Thought(redacted="c2ln"))
PARTS = (THOUGHTS[0], TextPart("Two. "), CALLS[0], THOUGHTS[1], CALLS[1], TextPart("Done."))
ANSWER = Completion([Choice(PARTS, "tool_calls")], Usage(2, 3), "msg_1", "claude")


def test_an_answer_is_one_choice() -> None:
    """Its parts in their order, its calls numbered, its arguments the JSON that came without its white space."""
    body = message(*BLOCKS)
    Message.model_validate(body)
    raw = json.dumps(body, ensure_ascii=False).replace("2.5", "2.50").encode()
    assert answered(claude(), reply(raw)) == ANSWER


def test_an_answer_may_be_empty() -> None:
    """A refusal has no content."""
    found = answered(claude(), reply(message(stop_reason="refusal")))
    assert isinstance(found, Completion)
    assert found.choices == [usual_choice("", (), "content_filter")]


def stream(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream of *blocks*, whose texts and arguments come in pieces of three characters."""
    events = [
        {"type": "message_start", "message": message(stop_reason=None, usage={"input_tokens": 2, "output_tokens": 1})}
    ]
    for index, block in enumerate(blocks):
        empty = {**block, **{name: "" for name in ("text", "thinking", "signature") if name in block}}
        events.append(
            {
                "type": "content_block_start",
                "index": index,
                "content_block": empty | ({"input": {}} if "input" in block else {}),
            }
        )
        kind, member, text = {
            "text": ("text_delta", "text", block.get("text")),
            "thinking": ("thinking_delta", "thinking", block.get("thinking")),
            "tool_use": (
                "input_json_delta",
                "partial_json",
                json.dumps(block.get("input"), ensure_ascii=False, separators=(",", ":")).replace("2.5", "2.50")
                if block.get("input")
                else "",
            ),
        }.get(block["type"], ("", "", ""))
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text[place : place + 3]}}
            for place in range(0, len(text or ""), 3)
        ]
        if "signature" in block:
            sealed = {"type": "signature_delta", "signature": block["signature"]}
            events.append({"type": "content_block_delta", "index": index, "delta": sealed})
        events.append({"type": "content_block_stop", "index": index})
    return [
        *events,
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
         "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]  # fmt: skip


def wire(events: list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in events)


def test_a_stream_says_what_the_whole_says() -> None:
    """However its bytes arrive; the SDK's types take every event."""
    events = stream(*BLOCKS)
    for each in events:
        EVENT.validate_python(each)
    body = wire(events)
    wanted = streamed(claude(), [body])
    assert wanted[1] is None
    assert whole(wanted[0]) == ANSWER
    for place in range(len(body)):
        assert streamed(claude(), [body[:place], body[place:]]) == wanted
    assert streamed(claude(), [body[place : place + 1] for place in range(len(body))]) == wanted


def test_a_call_is_numbered_by_calls_and_not_by_blocks() -> None:
    """Blocks of text and thought take indices, too; a call without arguments ends with `{}`."""
    found, _ = streamed(claude(), [wire(stream(*BLOCKS))])
    calls = [delta for delta in found if isinstance(delta, ToolCall)]
    assert calls[:3] == [ToolCall(0, "t1", "f"), ToolCall(0, arguments="{}"), ToolCall(1, "t2", "g")]
    assert {each.ordinal for each in calls} == {0, 1}


@pytest.mark.parametrize("lost", ["stop", "input"])
def test_arguments_come_even_where_a_server_tells_them_otherwise(lost: str) -> None:
    """A block that never ends, or that is whole from its start."""
    events = stream({"type": "tool_use", "id": "t1", "name": "f", "input": {}})
    if lost == "stop":
        events = [each for each in events if each["type"] != "content_block_stop"]
    else:
        events[1]["content_block"]["input"] = {"a": 1}
    found, error = streamed(claude(), [wire(events)])
    assert error is None
    assert whole(found).choices[0].tool_calls == (ToolCall(0, "t1", "f", "{}" if lost == "stop" else '{"a":1}'),)
    assert [type(delta) for delta in found].count(Finished) == 1


def test_broken_at_every_event() -> None:
    """An error of Anthropic's ends the stream, after what came before; without one it is cut off."""
    events = stream(*BLOCKS)
    wanted, _ = streamed(claude(), [wire(events)])
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for length in range(len(events) - 1):
        found, fault = streamed(claude(), [wire([*events[:length], error])])
        assert fault is not None
        assert fault.upstream is not None
        assert found == wanted[: len(found)]
        cut, fault = streamed(claude(), [wire(events[:length])])
        assert cut == found
        assert (fault is None) == any(isinstance(delta, Finished) for delta in cut)


@pytest.mark.parametrize(
    "block",
    [{"type": "tool_use", "name": "f", "input": {}}, {"type": "tool_use", "id": "t", "name": 5, "input": {}},
     {"type": "thinking"}, {"type": "text", "text": []}],
)  # fmt: skip
def test_a_block_of_another_shape_is_unreadable(block: dict[str, Any]) -> None:
    """Whole and streamed."""
    with pytest.raises(InferenceError) as error:
        answered(claude(), reply(message(block)))
    assert error.value.kind is Kind.UNREADABLE
    _, fault = streamed(claude(), [wire([{"type": "content_block_start", "index": 0, "content_block": block}])])
    assert fault is not None
    assert fault.kind is Kind.UNREADABLE


def test_thoughts_and_words_are_told_apart() -> None:
    """In a stream as they come."""
    found, _ = streamed(claude(), [wire(stream(*BLOCKS))])
    assert "".join(each.text for each in found if isinstance(each, Reasoning)) == "Hm."
    assert "".join(each.text for each in found if isinstance(each, Text)) == "Two. Done."
