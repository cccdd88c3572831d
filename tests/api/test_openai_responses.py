"""`POST /v1/responses`, whole and streamed, with OpenAI's own document as the judge of what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from conversing import usual_choice
from hypothesis import given
from hypothesis import strategies as st
from in_process import Application, Told
from openai_judge import judged
from world import COMPLETION, Arrived, body, json_reply, openai

from inferpoint.api.openai.responses.events import Events
from inferpoint.api.openai.responses.write import Answer
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import Thought
from inferpoint.model.http import Event
from inferpoint.model.results import Completion, Finished, Reasoning, Started, Text, ToolCall, Usage, Used
from inferpoint.protocols.sse import ServerSentEvents

Faces = Callable[..., Application]
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": None,
}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "21"}
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def asked(ask: Application, given: Any = "hi", **more: Any) -> Told:
    return ask("POST", "/v1/responses", {"model": "chat", "input": given, **more})


def sent(ask: Application, given: Any = "hi", **more: Any) -> dict[str, Any]:
    """What the provider is asked when the face is asked that."""
    told = asked(ask, given, **more)
    assert told.status == 200, told.body
    return body(ask.world.provider.calls[-1])


def answering(message: Mapping[str, Any], reason: str = "stop", **more: Any) -> Any:
    return lambda _: json_reply({"choices": [{"message": message, "finish_reason": reason}], **more})


def chunk(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "c1", "model": "gpt", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\n'
STREAM = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "Hm"}),
    chunk({"content": "Very"}),
    chunk({"content": " big."}),
    chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
    chunk({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
    chunk({}, "tool_calls"),
    USAGE,
    b"data: [DONE]\n\n",
)


# --- what a model is asked --------------------------------------------------------------------------------------------


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def calls(*several: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"id": call["call_id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in several
    ]


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ("hi", [user("hi")]),
        ([user("hi")], [user("hi")]),
        ([{"type": "message", **user([{"type": "input_text", "text": "hi"}])}], [user("hi")]),
        ([{"role": "developer", "content": "Be brief."}, user("hi")],
         [{"role": "system", "content": "Be brief."}, user("hi")]),
        ([user([{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": IMAGE, "detail": "low"}])],
         [user([{"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}])]),
        ([user([{"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}])],
         [user([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}])]),
        ([user("w?"), CALL, RESULT],
         [user("w?"), {"role": "assistant", "tool_calls": calls(CALL)},
          {"role": "tool", "content": "21", "tool_call_id": "c1"}]),
        # A turn of a model is one message, whatever items it was told in.
        ([user("w?"), {"type": "reasoning", "id": "rs_1", "summary": []},
          {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
           "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]},
          CALL, {**CALL, "call_id": "c2"}, RESULT, {**RESULT, "call_id": "c2"}],
         [user("w?"), {"role": "assistant", "content": "I look.", "tool_calls": calls(CALL, {**CALL, "call_id": "c2"})},
          {"role": "tool", "content": "21", "tool_call_id": "c1"},
          {"role": "tool", "content": "21", "tool_call_id": "c2"}]),
        ([user("w?"), CALL, {**RESULT, "output": [{"type": "input_text", "text": "21"}]}],
         [user("w?"), {"role": "assistant", "tool_calls": calls(CALL)},
          {"role": "tool", "content": "21", "tool_call_id": "c1"}]),
        ([user("a"), {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, user("b")],
         [user("a"), {"role": "assistant", "content": "No."}, user("b")]),
    ],
)  # fmt: skip
def test_items_are_messages(faces: Faces, given: Any, messages: Any) -> None:
    """Each kind of item that a client may send reaches the model as the message it is."""
    assert sent(faces(answering({"content": "ok"})), given)["messages"] == messages


@pytest.mark.parametrize(
    ("more", "members"),
    [
        ({"max_output_tokens": 20, "temperature": 0.5, "top_p": 0.5, "user": "ada"},
         {"max_completion_tokens": 20, "temperature": 0.5, "top_p": 0.5, "user": "ada"}),
        ({"safety_identifier": "ada"}, {"safety_identifier": "ada"}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"service_tier": "flex", "prompt_cache_key": "k"}, {"service_tier": "flex", "prompt_cache_key": "k"}),
        ({"text": {"verbosity": "low", "format": {"type": "text"}}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
         {"response_format": {"type": "json_schema",
                              "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}}),
        ({"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False},
         {"tools": [{"type": "function", "function": {name: WEATHER[name]
                                                      for name in ("name", "description", "parameters")}}],
          "tool_choice": "required", "parallel_tool_calls": False}),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}},
         {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ({"include": ["reasoning.encrypted_content"], "metadata": {"a": "b"}, "store": False, "truncation": "disabled",
          "background": False, "stream_options": {"include_obfuscation": False}, "max_tool_calls": 3,
          "parallel_tool_calls": True, "service_tier": "auto", "client_metadata": {}, "conversation": None}, {}),
    ],
)  # fmt: skip
def test_members_reach_the_model_under_its_names(ask: Application, more: Any, members: Any) -> None:
    """What is said of how to answer is sent on; what says nothing to a model is not."""
    found = sent(ask, **more)
    assert {name: found[name] for name in members} == members
    plain = {"messages", "model", "n", "stream", "tools"}
    assert found.keys() - plain == members.keys() - plain


def test_instructions_are_the_first_words_of_the_system(ask: Application) -> None:
    """They stand before the items, whose own words of the system stay where they are."""
    messages = sent(ask, [user("hi")], instructions="Be brief.")["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, user("hi")]


def test_only_the_allowed_tools_are_told(ask: Application) -> None:
    """A choice among some of the tools leaves the others out."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    found = sent(ask, tools=[{**WEATHER, "name": "other"}, WEATHER], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in found["tools"]] == ["weather"]
    assert found["tool_choice"] == "required"


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_tool_that_openai_runs_is_not_told_where_it_is_only_offered(faces: Faces, choice: str) -> None:
    """Agents offer a search to every model; the caller hears in a header that nobody was told of it."""
    ask = faces(lambda call: Arrived(200, STREAM) if body(call)["stream"] else answering({"content": "a"})(call))
    for stream in (False, True):
        told = asked(ask, tools=[WEATHER, {"type": "web_search"}], tool_choice=choice, stream=stream)
        assert told.headers["x-inferpoint-dropped"] == "tools[1]"
        sent = body(ask.world.provider.calls[-1])
        assert ([tool["function"]["name"] for tool in sent["tools"]], sent["tool_choice"]) == (["weather"], choice)
    asked(ask, tools=[{"type": "web_search"}], tool_choice=choice)
    assert not {"tools", "tool_choice"} & body(ask.world.provider.calls[-1]).keys()
    assert "x-inferpoint-dropped" not in asked(ask).headers


def test_functions_of_a_namespace_are_called_by_their_own_names(faces: Faces) -> None:
    """A model knows no namespaces: it sees both names as one, and the caller the two that it gave, there and back."""
    call = {"id": "c1", "function": {"name": "n__weather", "arguments": "{}"}}
    stream = (chunk({"tool_calls": [{"index": 0, **call}]}, "tool_calls"), b"data: [DONE]\n\n")
    whole = answering({"content": None, "tool_calls": [call]}, "tool_calls")
    ask = faces(lambda call: Arrived(200, stream) if body(call)["stream"] else whole(call))
    space = {"type": "namespace", "name": "n", "description": "Of n.", "tools": [WEATHER]}
    told = asked(ask, tools=[WEATHER, space]).json
    sent_tools = body(ask.world.provider.calls[-1])["tools"]
    assert [tool["function"]["name"] for tool in sent_tools] == ["weather", "n__weather"]
    assert told["tools"] == [WEATHER, space]
    streamed = asked(ask, tools=[WEATHER, space], stream=True).events[-1][1]["response"]
    for response in (told, streamed):
        (item,) = judged("Response", {**response, "tools": []})["output"]
        assert (item["namespace"], item["name"]) == ("n", "weather")
    again = sent(ask, [user("w?"), *told["output"], RESULT])
    assert again["messages"][1]["tool_calls"][0]["function"]["name"] == "n__weather"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"model": None}, "[model] is required"),
        ({"model": 3}, "[model] must be a string"),
        ({"model": "vectors"}, "[vectors] has the task_type [text_embedding] and cannot chat"),
        ({"input": None}, "[input] is required"),
        ({"input": []}, "[input] is required"),
        ({"input": 3}, "[input] must be a string or an array"),
        ({"input": ["hi"]}, "input[0] must be an object"),
        ({"input": [{}]}, "[input[0].type] must be one of [message,"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "[input[0].type] must be one of"),
        ({"input": [{"type": ["message"]}]}, "[input[0].type] must be one of"),
        ({"input": [user("a"), {"role": "king", "content": "b"}]}, "[input[1].role] must be one of"),
        ({"input": [{"role": "user"}]}, "[input[0].content] is required"),
        ({"input": [user(3)]}, "[input[0].content] must be a string or an array"),
        ({"input": [user(["a"])]}, "input[0].content[0] must be an object"),
        ({"input": [user([{"type": "input_audio"}])]}, "[input[0].content[0].type] must be one of"),
        (
            {"input": [user([{"type": "input_image", "file_id": "f"}])]},
            "content[0].file_id] is not supported",
        ),
        ({"input": [user([{"type": "input_image", "image_url": IMAGE, "detail": "x"}])]}, "detail] must be one of"),
        (
            {"input": [user([{"type": "input_file", "file_url": "u"}])]},
            "content[0].file_url] is not supported",
        ),
        ({"input": [{**user("a"), "flavour": 1}]}, "[input[0].flavour] is not supported"),
        ({"input": [RESULT]}, "No tool call found for function call output with call_id c1."),
        ({"input": [{**CALL, "arguments": {}}]}, "[input[0].arguments] must be a string"),
        ({"input": [{"type": "item_reference"}]}, "[input[0].id] is required"),
        ({"tools": {}}, "[tools] must be an array"),
        ({"tools": [{"type": "code_interpreter"}]}, "[tools[0].type] must be [function], not [code_interpreter]"),
        ({"tools": [{"type": "namespace", "tools": []}]}, "[tools[0].name] is required"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
            "[tools[0].tools[0].type] must",
        ),
        ({"tools": [{"type": "namespace", "name": "n", "flavour": 1}]}, "[tools[0].flavour] is not supported"),
        ({"tools": [{"type": "function"}]}, "[tools[0].name] is required"),
        ({"tools": [{**WEATHER, "flavour": 1}]}, "[tools[0].flavour] is not supported"),
        ({"tool_choice": {"type": "mcp"}}, "[tool_choice] must be one of"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}, "[tool_choice] must"),
        ({"text": {"format": {"type": "grammar"}}}, "[text.format.type] must be one of"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "[text.format.schema] is required"),
        ({"text": {"flavour": 1}}, "[text.flavour] is not supported"),
        ({"reasoning": {"flavour": 1}}, "[reasoning.flavour] is not supported"),
        ({"reasoning": "low"}, "[reasoning] must be an object"),
        ({"include": ["message.output_text.logprobs"]}, "[include] cannot hold"),
        ({"truncation": "auto"}, "[truncation] must be [disabled]"),
        ({"background": True}, "[background] is not supported"),
        ({"conversation": "conv_1"}, "[conversation] is not supported"),
        ({"prompt": {"id": "p"}}, "[prompt] is not supported"),
        ({"top_logprobs": 3}, "[top_logprobs] is not supported"),
        ({"metadata": []}, "[metadata] must be an object"),
        ({"flavour": 1}, "[flavour] is not supported"),
        ({"model": "claude", "text": {"verbosity": "low"}}, "[verbosity]"),
    ],
)
def test_what_is_wrong_names_the_member(ask: Application, more: Any, problem: str) -> None:
    """Whole or streamed, an error before the answer has a status and the form of OpenAI's; nobody is called."""
    for stream in (False, True):
        status, error = ask("POST", "/v1/responses", {"model": "chat", "input": "hi", "stream": stream, **more}).error
        assert (status, error["type"]) == (400, "invalid_request_error")
        assert problem in error["message"]
        assert error.keys() == {"message", "type", "param", "code"}
    assert ask.world.provider.calls == []


@pytest.mark.parametrize("given", [b"", b"{", b"[]", b'{"input":"\xff"}', b"[" * 5000])
def test_a_body_that_is_no_object(ask: Application, given: bytes) -> None:
    """Bytes that cannot be read are the caller's fault."""
    for path in ("/v1/responses", "/v1/completions", "/v1/rerank", "/v2/embed"):
        assert ask("POST", path, given).status == 400


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["message", "user", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "id", "output", "call_id"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(JUNK, max_size=3), st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "include"]))
def test_no_body_is_an_error_of_ours(value: Any, name: str) -> None:
    """Whatever stands in a member is read, or is the caller's error."""
    from inferpoint.api.openai.responses import read
    from inferpoint.api.openai.responses.store import ResponseStore

    members = {"model": "m", "input": "hi", name: value}
    try:
        read.asked(json.dumps(members).encode(), ResponseStore().of("ada", 0))
    except InferenceError as error:
        assert error.kind in (Kind.INVALID, Kind.NOT_FOUND)


# --- what is answered -------------------------------------------------------------------------------------------------


def test_a_whole_response(faces: Faces) -> None:
    """Thoughts, words and calls are items; what was asked is told back, and what it cost."""
    message = {"content": "Very big.", "reasoning": "Hm", "tool_calls": [{"id": "c1", "function": {"name": "f"}}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    ask = faces(answering(message, "tool_calls", usage=usage))
    told = judged("Response", asked(ask, tools=[WEATHER], metadata={"a": "b"}, instructions="Be brief.").json)
    assert (told["object"], told["status"], told["model"]) == ("response", "completed", "chat")
    assert told["id"].startswith("resp_")
    thought, said, called = told["output"]
    assert [item["type"] for item in told["output"]] == ["reasoning", "message", "function_call"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert [part["text"] for part in said["content"]] == ["Very big."]
    assert (called["call_id"], called["name"], called["arguments"]) == ("c1", "f", "{}")
    assert len({item["id"] for item in told["output"]}) == 3
    assert (told["metadata"], told["instructions"]) == ({"a": "b"}, "Be brief.")
    assert told["tools"] == [WEATHER]
    assert told["usage"]["total_tokens"] == 12
    assert told["usage"]["input_tokens_details"]["cached_tokens"] == 4


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        (None, "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_that_was_cut_is_incomplete(faces: Faces, reason: Any, status: str, why: Any) -> None:
    """Whole and streamed, the response says whether it is all, and why not."""
    whole = asked(faces(answering({"content": "Ve"}, reason))).json
    end = chunk({}, reason) if reason else b""
    told = asked(faces(lambda _: Arrived(200, [chunk({"content": "Ve"}), end, b"data: [DONE]\n\n"])), stream=True)
    name, last = told.events[-1]
    assert name == f"response.{status}"
    for response in (whole, last["response"]):
        judged("Response", response)
        assert (response["status"], response["incomplete_details"]) == (status, why)
        assert response["output"][0]["status"] == status


def test_a_stream_tells_each_item_piece_by_piece(faces: Faces) -> None:
    """Every event is one that OpenAI describes, numbered, and the last holds the whole response."""
    told = asked(faces(lambda _: Arrived(200, STREAM)), stream=True)
    assert told.headers["content-type"] == "text/event-stream"
    events = [judged("ResponseStreamEvent", event) for _, event in told.events]
    assert [name for name, _ in told.events] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:3] == ["created", "in_progress", "output_item.added"]
    assert kinds[-1] == "completed"
    final = events[-1]["response"]
    assert [item["type"] for item in final["output"]] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.get("arguments") for item in final["output"][2:]] == ['{"a":1}', "{}"]
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == final["output"]
    assert final["usage"]["total_tokens"] == 5
    assert (events[0]["response"]["id"], events[0]["response"]["status"]) == (final["id"], "in_progress")


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("how", [None, ConnectionError, b"data: {oops\n\n", b'data: {"error":{"message":"no"}}\n\n'])
def test_a_stream_that_breaks_off_ends_in_an_error(faces: Faces, count: int, how: Any) -> None:
    """Where clients look for it: in an event `error`, and in a response that failed, with what had come."""
    end = [InferenceError(Kind.CUT_OFF, "gone")] if how is ConnectionError else [how] if how else []
    told = asked(faces(lambda _: Arrived(200, [*STREAM[:count], *end])), stream=True)
    *_, (name, error), (last, failed) = told.events
    assert (name, last) == ("error", "response.failed")
    for event in (error, failed):
        judged("ResponseStreamEvent", event)
    assert error["message"] == error["error"]["message"] == failed["response"]["error"]["message"] != ""
    assert failed["response"]["status"] == "failed"


def test_an_error_before_a_stream_has_its_status(faces: Faces) -> None:
    """What a provider refuses before its first word is told by status."""
    refused = {"error": {"message": "bad key", "type": "t", "code": "invalid_api_key", "param": "p"}}
    status, error = asked(faces(lambda _: json_reply(refused, 401)), stream=True).error
    assert (status, error["code"]) == (401, "invalid_api_key")


def test_an_endpoint_of_completions_answers_too(ask: Application) -> None:
    """A service asks both in one form, so an endpoint of completions chats."""
    ask.world.create("writes", COMPLETION, openai())
    assert asked(ask, model="writes").json["output"][0]["content"][0]["text"] == "hi"


PIECES = st.lists(
    st.one_of(
        st.builds(Text, st.text(max_size=3)),
        st.builds(Reasoning, st.text(max_size=3), st.none() | st.just("SIG")),
        st.builds(Reasoning, redacted=st.just("RED")),
        st.builds(ToolCall, st.integers(0, 2), st.just("c"), st.just("f"), st.sampled_from(["", "{", "}"])),
    ),
    max_size=8,
)


@given(PIECES, st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_a_stream_says_what_its_end_says(pieces: Sequence[Any], cuts: Sequence[int]) -> None:
    """However pieces come, and whichever kinds take turns, the events add up to the response at the end."""
    kept: list[dict[str, Any]] = []
    writer = Events(Answer("resp_1", 0, {"model": "m"}), kept.append)
    deltas = [Started("", ""), *pieces, Finished(0, "stop"), Used(Usage(1, 2))]
    written = b""
    while deltas:
        size = cuts[len(deltas) % len(cuts)]
        written, deltas = written + writer.feed(deltas[:size]), deltas[size:]
    events = [json.loads(event.data) for event in ServerSentEvents().feed(written + writer.end())]
    texts: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            texts[event["item_id"]] = texts.get(event["item_id"], "") + event["delta"]
    (response,) = kept
    assert events[-1]["response"] == response
    assert [item["id"] for item in response["output"]] == [
        event["item"]["id"] for event in events if event["type"] == "response.output_item.added"
    ]
    for item in response["output"]:
        assert _text(item) == (texts.get(item["id"]) or ("{}" if item["type"] == "function_call" else ""))


def _text(item: Mapping[str, Any]) -> str:
    match item:
        case {"type": "message"}:
            return "".join(part["text"] for part in item["content"])
        case {"type": "reasoning"}:
            return "".join(part["text"] for part in item["summary"])
        case _:
            return item["arguments"]


def test_a_stream_answers_what_the_whole_answers() -> None:
    """One answer is the same response, asked for whole or streamed."""
    answer = Answer("resp_1", 0, {"model": "m"})
    calls = (ToolCall(0, "c1", "f", '{"a":1}'), ToolCall(1, "c2", "g", "{}"))
    extra = {"reasoning_details": [1, 2]}
    thoughts = (Thought("Hm", "SIG"), Thought(redacted="RED"), Thought("So", member="reasoning", extra=extra))
    whole = answer.whole(Completion([usual_choice("Big.", calls, "tool_calls", thoughts)], Usage(1, 2), "i", "gpt"))
    kept: list[dict[str, Any]] = []
    writer = Events(answer, kept.append)
    writer.feed([Started("i", "gpt"), Reasoning("H"), Reasoning("m"), Reasoning(signature="SIG")])
    writer.feed([Reasoning(redacted="RED"), Reasoning("So", member="reasoning")])
    writer.feed([Reasoning(extra={"reasoning_details": [number]}) for number in (1, 2)])
    writer.feed([Text("Bi"), Text("g."), *calls, Finished(0, "tool_calls")])
    writer.feed([Used(Usage(1, 2))])
    assert isinstance(writer.end(), bytes)
    assert kept == [whole]


def test_an_event_without_a_word_is_none() -> None:
    """Deltas that say nothing begin no item, and an answer of nothing is one empty message."""
    kept: list[dict[str, Any]] = []
    writer = Events(Answer("resp_1", 0, {"model": "m"}), kept.append)
    written = writer.feed([Started("", ""), Text(""), Reasoning("")]) + writer.end()
    assert [(item["type"], _text(item)) for item in kept[0]["output"]] == [("message", "")]
    assert all(isinstance(event, Event) for event in ServerSentEvents().feed(written))
