"""Chats through Converse and ConverseStream, judged by AWS's own SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from bedrock_judge import legal, read, read_stream
from conversing import asking, dialogues, substance, whole
from frames import GOLDEN, event, exception
from hypothesis import given, settings
from played import answered, endpoint, reply, streamed

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Choice, Completion, Finished, ToolCall, Usage

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
OF = "for the Amazon Bedrock chat completion API"
HI = [{"role": "user", "content": "hi"}]
SAID = [{"role": "user", "content": [{"text": "hi"}]}]
TOOL = {"type": "function", "function": {"name": "f"}}
SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
CALLED = [
    *HI,
    {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"role": "tool", "tool_call_id": "c1", "content": ""},
]


def model(provider: str = "anthropic", **options: Any) -> Resolved:
    given = {
        "access_key": "AKIDEXAMPLE",
        "secret_key": "s",
        "region": "us-east-1",
        "provider": provider,
        "model": "m:0",
    }
    return endpoint(TaskType.CHAT_COMPLETION, "amazonbedrock", given, options)


def sent(body: Mapping[str, Any], provider: str = "anthropic", **options: Any) -> dict[str, Any]:
    """The body of the call, when AWS's SDK makes the same call of the same parameters."""
    resolved = model(provider, **options)
    stored = resolved.endpoint
    call = resolved.task.encode(asking(body), stored.settings, stored.options, HOST)
    return legal(call, HOST, body.get("model", "m:0"))


def content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(data: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **more}}


# --- what is sent -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(dialogues())
def test_what_is_said_arrives(messages: list[dict[str, Any]]) -> None:
    """Roles, texts, calls, ids, in their order; turns alternate; no text is blank."""
    body = sent({"messages": messages, "tools": [TOOL]})
    roles = [turn["role"] for turn in body["messages"]]
    assert all(one != next_one for one, next_one in pairwise(roles))
    found: list[tuple[Any, ...]] = []
    for turn in body["messages"]:
        for block in turn["content"]:
            match block:
                case {"text": text}:
                    found.append((turn["role"], "says", text))
                case {"toolUse": {"toolUseId": called, "name": name, "input": arguments}}:
                    found.append((turn["role"], "calls", called, name, arguments))
                case {"toolResult": {"toolUseId": called, "content": texts}}:
                    found.append((turn["role"], "answers", called, "".join(each["text"] for each in texts)))
    system, wanted = substance(messages)
    if wanted[-1][:2] == ("assistant", "says"):  # with white space at its end Claude refuses to go on
        wanted[-1] = ("assistant", "says", wanted[-1][2].rstrip())
    assert ([block["text"] for block in body.get("system", ())], found) == (system, wanted)


def test_what_is_not_said_is_not_sent() -> None:
    """Not even the length that a completion has; the endpoint's options give way to the request."""
    assert sent({"messages": HI}) == {"messages": SAID}
    options = {"temperature": 0.5, "top_p": 0.25, "top_k": 3, "max_new_tokens": 9}
    limits = {"temperature": 0.5, "topP": 0.25, "maxTokens": 9}
    native = {"top_k": 3}
    assert sent({"messages": HI}, **options) == {
        "messages": SAID, "inferenceConfig": limits, "additionalModelRequestFields": native,
    }  # fmt: skip
    asked = {"messages": HI, "temperature": 0, "top_p": 1, "max_completion_tokens": 7, "stop": ["x"], "model": "n:1"}
    found = sent(asked, **options)
    assert found["inferenceConfig"] == {"temperature": 0, "topP": 1, "maxTokens": 7, "stopSequences": ["x"]}


def test_titan_knows_no_system() -> None:
    """Its words are the beginning of the user's."""
    messages = [{"role": "assistant", "content": "Hello"}, {"role": "system", "content": "Be brief."}, *HI]
    assert sent({"messages": messages}, "amazontitan") == {
        "messages": [
            {"role": "assistant", "content": [{"text": "Hello"}]},
            {"role": "user", "content": [{"text": "Be brief."}, {"text": "hi"}]},
        ]
    }


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (None, {"tools": [SPEC]}),
        ("auto", {"tools": [SPEC], "toolChoice": {"auto": {}}}),
        ("required", {"tools": [SPEC], "toolChoice": {"any": {}}}),
        ({"type": "function", "function": {"name": "f"}}, {"tools": [SPEC], "toolChoice": {"tool": {"name": "f"}}}),
        ("none", None),
    ],
)
def test_the_choice_of_tools(choice: Any, wanted: Any) -> None:
    """In Bedrock's words, which has none for none: then there are no tools."""
    assert sent({"messages": HI, "tools": [TOOL], "tool_choice": choice}).get("toolConfig") == wanted


@pytest.mark.parametrize(
    ("choice", "native"),
    [
        (None, {"type": "auto"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_one_tool_at_a_time(choice: Any, native: dict[str, Any]) -> None:
    """In the request of the model itself, beside what else is there."""
    body = sent({"messages": HI, "tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False}, top_k=5)
    wanted = {"tool_choice": {**native, "disable_parallel_tool_use": True}, "top_k": 5}
    assert (body["toolConfig"], body["additionalModelRequestFields"]) == ({"tools": [SPEC]}, wanted)


def test_tools_and_the_form_of_the_answer() -> None:
    """A description that is empty is none; a schema of the answer is text."""
    function = {"name": "f", "description": "d", "strict": True, "parameters": {"properties": {"x": {}}}}
    shape = {"name": "n", "description": "D", "schema": {"type": "object"}}
    body = sent(
        {"messages": HI, "tools": [{"type": "function", "function": function}], "reasoning_effort": "high",
         "response_format": {"type": "json_schema", "json_schema": shape}}
    )  # fmt: skip
    schema = {"json": {"type": "object", "properties": {"x": {}}}}
    spec = {"name": "f", "description": "d", "strict": True, "inputSchema": schema}
    assert body["toolConfig"]["tools"] == [{"toolSpec": spec}]
    form = {"jsonSchema": {**shape, "schema": '{"type":"object"}'}}
    assert body["outputConfig"] == {"effort": "high", "textFormat": {"type": "json_schema", "structure": form}}


PDF = "data:application/pdf;base64,AAAA"


def test_images_and_files() -> None:
    """Documents have names in Bedrock's characters, each another; and words beside them."""
    names = ["report 2026.pdf", "report/2026_pdf", None, "", "日本", "a" * 300]
    parts = [file(PDF, **({} if name is None else {"filename": name})) for name in names]
    body = sent(content(image("data:image/jpg;base64,AAAA"), *parts))
    first, *documents, last = body["messages"][0]["content"]
    assert first == {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}
    found = [block["document"]["name"] for block in documents]
    assert found == ["report 2026 pdf", "report 2026 pdf (2)", "document", "document (2)", "document (3)", "a" * 190]
    assert last == {"text": "report 2026 pdf"}
    assert len(sent(content(file(PDF), {"type": "text", "text": "Read."}))["messages"][0]["content"]) == 2


KINDS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_documents(kind: str) -> None:
    """All that Bedrock reads."""
    body = sent(content(file(f"data:{kind};charset=utf-8;base64,AAAA")))
    assert body["messages"][0]["content"][0]["document"]["format"] == KINDS[kind]


CANNOT: list[tuple[str, dict[str, Any], str]] = [
    *(("meta", {name: value}, f"Field [{name}] is not supported {OF}") for name, value in [
        ("n", 2), ("seed", 5), ("logprobs", True), ("x", 0),
    ]),
    ("meta", {"temperature": 1.5}, f"Field [temperature] is [1.5] and must be between 0 and 1 {OF}"),
    ("meta", {"response_format": {"type": "grammar"}},
     f"Field [response_format] must be [json_object], or a [json_schema] with a [schema], {OF}"),
    ("anthropic", {"reasoning_effort": "utmost"},
     f"Field [reasoning_effort] is [utmost], not one of [low, medium, high, xhigh, max], {OF}"),
    ("meta", {"tools": [TOOL], "parallel_tool_calls": False},
     f"Field [parallel_tool_calls] cannot be false with models of [meta] {OF}"),
    ("meta", {"tool_choice": "required"}, f"Field [tool_choice] needs [tools] {OF}"),
    ("anthropic", content(image("https://a.test/x")),
     f"Field [url] in object [image_url] must be a data URI and not an address {OF}"),
    ("anthropic", content(file("data:image/png;base64,AAAA")),
     f"Field [file_data] in object [file] has the media type [image/png], not one of [{', '.join(KINDS)}], {OF}"),
    ("anthropic", {"messages": [*HI, {"role": "assistant", "content": [file(PDF)]}]},
     f"Field [content] of a message of the role [assistant] can only be text {OF}"),
    *(("amazontitan", body, f"Field [{field}] is not supported by models of [amazontitan] {OF}") for field, body in [
        ("tools", {"tools": [TOOL]}), ("tool_calls", {"messages": CALLED}),
        ("image_url", content(image("data:image/png;base64,AAAA"))), ("file", content(file(PDF))),
    ]),
    ("amazontitan", {"messages": [{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}]},
     f"Field [messages] with a system's turn must hold one of the role [user] {OF}"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "body", "problem"), CANNOT)
def test_what_cannot_be_expressed_is_refused_by_name(provider: str, body: dict[str, Any], problem: str) -> None:
    """Nothing is dropped."""
    with pytest.raises(InferenceError) as error:
        sent({"messages": HI, **body}, provider)
    assert (error.value.kind, error.value.problems) == (Kind.INVALID, (problem,))


# --- what comes back --------------------------------------------------------------------------------------------------

USAGE = {"inputTokens": 2, "outputTokens": 3, "totalTokens": 5}
BLOCKS = [
    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
    {"text": "Two. "},
    {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}},
    {"reasoningContent": {"redactedContent": "c2ln"}},
    {"toolUse": {"toolUseId": "t2", "name": "g", "input": {"a": [1, "é"]}}},
    {"text": "Done."},
]
CALLS = (ToolCall(0, "t1", "f", "{}"), ToolCall(1, "t2", "g", '{"a":[1,"é"]}'))
THOUGHTS = (Thought("Hm.", "c2ln"), Thought(redacted="c2ln"))
PARTS = (THOUGHTS[0], TextPart("Two. "), CALLS[0], THOUGHTS[1], CALLS[1], TextPart("Done."))
ANSWER = Completion([Choice(PARTS, "tool_calls")], Usage(2, 3), "", "m:0")
WHOLE = {
    "output": {"message": {"role": "assistant", "content": BLOCKS}},
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}


def test_an_answer_is_one_choice() -> None:
    """Its parts in their order, its calls numbered, its arguments JSON without white space."""
    given = reply(json.dumps(WHOLE, ensure_ascii=False).encode())
    assert read("Converse", given)["output"]["message"]["content"][1] == {"text": "Two. "}
    assert answered(model(), given) == ANSWER


def delta(index: int, said: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def start(index: int, called: str, name: str) -> bytes:
    use = {"toolUse": {"toolUseId": called, "name": name}}
    return event("contentBlockStart", {"contentBlockIndex": index, "start": use})


STREAM = [
    GOLDEN,
    *(delta(0, {"reasoningContent": said}) for said in ({"text": "H"}, {"text": "m."}, {"signature": "c2ln"})),
    *(delta(1, {"text": text}) for text in ("Two", ". ")),
    event("contentBlockStop", {"contentBlockIndex": 1}),
    start(2, "t1", "f"),
    event("contentBlockStop", {"contentBlockIndex": 2}),
    delta(3, {"reasoningContent": {"redactedContent": "c2ln"}}),
    start(4, "t2", "g"),
    *(delta(4, {"toolUse": {"input": text}}) for text in ("", '{"a":', '[1,"é"]', "}")),
    event("contentBlockStop", {"contentBlockIndex": 4}),
    delta(5, {"text": "Done."}),
    event("messageStop", {"stopReason": "tool_use"}),
    event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
]


def test_a_stream_says_what_the_whole_says() -> None:
    """However its bytes arrive; the SDK takes every event."""
    body = b"".join(STREAM)
    assert len(read_stream(body)) == len(STREAM)
    wanted = streamed(model(), [body])
    assert wanted[1] is None
    assert whole(wanted[0]) == ANSWER
    for place in range(len(body)):
        assert streamed(model(), [body[:place], body[place:]]) == wanted
    assert streamed(model(), [body[place : place + 1] for place in range(len(body))]) == wanted


def test_a_call_is_numbered_by_calls_and_not_by_blocks() -> None:
    """A call without arguments ends with `{}`, at the latest where the message does."""
    for events in (STREAM, [each for each in STREAM if b"contentBlockStop" not in each]):
        found, _ = streamed(model(), events)
        assert whole(found) == ANSWER
        assert {each.ordinal for each in found if isinstance(each, ToolCall)} == {0, 1}


def test_emulated_faults_at_every_event() -> None:
    """An exception ends the stream, after what came before; without one it is cut off."""
    wanted, _ = streamed(model(), STREAM)
    for length in range(len(STREAM)):
        found, fault = streamed(model(), [*STREAM[:length], exception("throttlingException", "Slow.")])
        assert fault is not None
        assert fault.upstream is not None
        assert found == wanted[: len(found)]
        cut, fault = streamed(model(), STREAM[:length])
        assert cut == found
        assert (fault is None) == any(isinstance(each, Finished) for each in cut)


@pytest.mark.parametrize("use", [{}, {"toolUseId": 5, "name": "f"}, {"toolUseId": "t"}, []])
def test_a_call_of_another_shape_is_unreadable(use: Any) -> None:
    """Whole and streamed."""
    with pytest.raises(InferenceError) as error:
        answered(model(), reply({**WHOLE, "output": {"message": {"content": [{"toolUse": use}]}}}))
    assert error.value.kind is Kind.UNREADABLE
    _, fault = streamed(model(), [event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}})])
    assert fault is not None
    assert fault.kind is Kind.UNREADABLE


@pytest.mark.parametrize("option", [{"top_k": 3}])
def test_what_a_provider_has_not_is_refused_at_once(option: dict[str, Any]) -> None:
    """As for completions."""
    with pytest.raises(InferenceError, match=r"The \[top_k\] task parameter is not available for provider \[meta\]"):
        model("meta", **option)
