"""Elasticsearch's face of chats: bodies, chunks, whole answers, and errors in their own form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Told, post
from world import CHAT, COMPLETION, EMBEDDING, SECRET, Arrived, World, body, hugging_face, json_reply, openai

SERVICES = Path(__file__).parent.parent / "services"
ASKED = {"messages": [{"role": "user", "content": "Hi"}]}
PARSER = "[UnifiedCompletionRequestBody]"
MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with an endpoint for each of: chats `chat`, completions `c`, embeddings `e`."""
    made = make_world(validate=False)
    made.create("chat", CHAT, openai())
    made.create("c", COMPLETION, openai())
    made.create("e", EMBEDDING, hugging_face())
    return made


def error(told: Told) -> dict[str, Any]:
    """The error that is told, and nothing beside it."""
    assert list(told.json) == ["error"]
    return told.json["error"]


def refused(message: str, kind: str, code: str = "bad_request") -> dict[str, Any]:
    return {"code": code, "message": message, "type": kind}


def replayed(name: str) -> bytes:
    return (SERVICES / name).read_bytes()


def test_a_whole_answer_is_one_object(world: World) -> None:
    """Without `_stream` the answer is OpenAI's object, with its tool calls and its cost."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    reply = {
        "id": "1", "model": "m-1", "object": "chat.completion",
        "choices": [{"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9,
                  "prompt_tokens_details": {"cached_tokens": 4}},
    }  # fmt: skip
    world.provider.answer = lambda _: json_reply(reply)
    for path in ("/_inference/chat_completion/chat", "/_inference/chat"):
        told = post(world, path, ASKED)
        assert (told.status, told.headers["content-type"]) == (200, "application/json")
        assert told.json == {
            "id": "1",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                    "finish_reason": "tool_calls",
                }
            ],
            "model": "m-1",
            "object": "chat.completion",
            "usage": {
                "completion_tokens": 2,
                "prompt_tokens": 7,
                "total_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 4},
            },
        }


def test_a_stream_is_openais_chunks_without_a_wrapper(world: World) -> None:
    """One event for each chunk, with neither a byte-order mark nor null members; the cost last, before `[DONE]`."""
    world.provider.answer = lambda _: Arrived(200, [replayed("openai/completion_stream.sse")])
    for path in ("/_inference/chat_completion/chat/_stream", "/_inference/chat/_stream"):
        told = post(world, path, ASKED)
        assert (told.status, told.headers["content-type"]) == (200, "text/event-stream")
        assert [name for name, _ in told.events] == ["message"] * 6
        *chunks, last, done = [data for _, data in told.events]
        head = {"id": "chatcmpl-123", "model": "gpt-4o-mini", "object": "chat.completion.chunk"}
        said = ({"role": "assistant", "content": ""}, {"content": "Hello"}, {"content": " w\u00f6rld\u2028!"})
        wanted = [{**head, "choices": [{"delta": delta, "index": 0}]} for delta in said]
        wanted.append({**head, "choices": [{"delta": {}, "finish_reason": "stop", "index": 0}]})
        assert chunks == wanted
        assert list(chunks[0]) == ["id", "choices", "model", "object"]
        details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}
        cost = {"completion_tokens": 10, "prompt_tokens": 19, "total_tokens": 29, **details}
        assert last == {**head, "choices": [], "usage": cost}
        assert done == "[DONE]"
    assert b"null" not in told.body


def test_an_answer_has_an_id_where_its_provider_gives_none(world: World) -> None:
    """Every chunk of a stream has the same one, and a whole answer has one: clients join chunks by it."""
    world.create("aws", CHAT, {"service": "amazonbedrock", "service_settings": BEDROCK})
    world.provider.answer = lambda _: Arrived(200, [replayed("amazonbedrock/chat_completion_stream.eventstream")])
    told = post(world, "/_inference/chat_completion/aws/_stream", ASKED)
    *chunks, done = [data for _, data in told.events]
    assert (len(chunks) > 3, done) == (True, "[DONE]")
    (name,) = {chunk["id"] for chunk in chunks}
    assert name.removeprefix("chatcmpl-") == told.headers["x-request-id"]
    reply = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    world.provider.answer = lambda _: json_reply(reply)
    told = post(world, "/_inference/chat_completion/aws", ASKED)
    assert told.json["id"] == f"chatcmpl-{told.headers['x-request-id']}"


@pytest.mark.parametrize(
    ("provider", "dropped"), [("anthropic", None), ("meta", "reasoning_effort"), ("amazontitan", "reasoning_effort")]
)
def test_a_hint_that_one_providers_models_take_is_dropped_by_the_others(
    world: World, provider: str, dropped: str | None
) -> None:
    """One service has models of many makers: the endpoint says which hints reach them, and the header what did not."""
    settings = {**BEDROCK, "provider": provider}
    world.create("aws", CHAT, {"service": "amazonbedrock", "service_settings": settings})
    reply = {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    world.provider.answer = lambda _: json_reply(reply)
    told = post(world, "/_inference/chat_completion/aws", {**ASKED, "reasoning": {"effort": "high"}})
    assert (told.status, told.headers.get("x-inferpoint-dropped")) == (200, dropped)
    assert ("outputConfig" in body(world.provider.calls[-1])) == (dropped is None)


@pytest.mark.parametrize("reasoning", [{"effort": "none"}, {"enabled": False}, {"effort": "low", "enabled": False}])
def test_a_model_may_be_told_not_to_think(world: World, reasoning: dict[str, Any]) -> None:
    """No effort and thinking that is not enabled are one thing, and said in the provider's word."""
    assert post(world, "/_inference/chat", {**ASKED, "reasoning": reasoning}).status == 200
    assert body(world.provider.calls[-1])["reasoning_effort"] == "none"


def test_all_that_a_body_may_say_is_sent_on(world: World) -> None:
    """Every member goes to the provider, the model in place of the endpoint's, the effort under its name."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    said = {
        **ASKED, "model": "other", "max_completion_tokens": 9, "stop": ["a", "b"], "temperature": 1, "top_p": 0.5,
        "tools": [tool], "tool_choice": "required",
    }  # fmt: skip
    thinking = {"effort": "low", "summary": "auto", "enabled": True, "exclude": False}
    assert post(world, "/_inference/chat", {**said, "reasoning": thinking}).status == 200
    wanted = {**said, "reasoning_effort": "low", "n": 1, "stream": False}
    assert body(world.provider.calls[-1]) == wanted
    kibana = {**ASKED, "stop": "end", "tools": [], "tool_choice": "auto", "model": None}
    assert post(world, "/_inference/chat", kibana).status == 200
    assert body(world.provider.calls[-1]) == {**ASKED, "stop": ["end"], "model": "m", "n": 1, "stream": False}


WRONG: list[tuple[Any, str, str]] = [
    (b"", "parse_exception", "request body is required"),
    (b"[]", "x_content_parse_exception", "[1:1] the body must be a JSON object"),
    ({}, "illegal_argument_exception", "Required [messages]"),
    ({"model": "m"}, "illegal_argument_exception", "Required [messages]"),
    (
        {"messages": None}, "action_request_validation_exception",
        "Validation Failed: 1: Field [messages] cannot be null;",
    ),
    (
        {"messages": []}, "action_request_validation_exception",
        "Validation Failed: 1: Field [messages] cannot be an empty array;",
    ),
    ({**ASKED, "nope": 1}, "x_content_parse_exception", f"[1:51] {PARSER} unknown field [nope]"),
    ({**ASKED, "task_settings": {}}, "x_content_parse_exception", f"[1:51] {PARSER} unknown field [task_settings]"),
    ({**ASKED, "input": "x"}, "x_content_parse_exception", f"[1:51] {PARSER} unknown field [input]"),
    (
        {**ASKED, "stop": 1}, "x_content_parse_exception",
        f"[1:51] {PARSER} stop doesn't support values of type: VALUE_NUMBER",
    ),
    (
        {**ASKED, "stop": [1]}, "x_content_parse_exception",
        f"[1:51] {PARSER} failed to parse field [stop]: entry [0] must be a string",
    ),
    (
        {**ASKED, "temperature": True}, "x_content_parse_exception",
        f"[1:51] {PARSER} temperature doesn't support values of type: VALUE_BOOLEAN",
    ),
    (
        {**ASKED, "max_completion_tokens": 0}, "illegal_argument_exception",
        "Field [max_completion_tokens] must be a positive long, but was [0]",
    ),
    ({**ASKED, "reasoning": {"x": 1}}, "x_content_parse_exception", f"[1:65] {PARSER} [reasoning] unknown field [x]"),
    (
        {**ASKED, "reasoning": {"effort": "huge"}}, "status_exception",
        "Unrecognized value [huge] of [reasoning.effort], must be one of [xhigh, high, medium, low, minimal, none]",
    ),
    (
        {**ASKED, "reasoning": {"effort": "low", "enabled": 1}}, "status_exception",
        "Unrecognized value [1] of [reasoning.enabled], must be one of [true, false]",
    ),
    (
        {**ASKED, "reasoning": {"exclude": True}}, "status_exception",
        "A chat completion requires [reasoning.effort] where there is [reasoning]",
    ),
    (
        {"messages": [{"role": "king", "content": "x"}]}, "status_exception",
        "Unrecognized role [king] in object [message],"
        " must be one of [developer, system, user, assistant, tool]",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "song"}]}]}, "status_exception",
        "Unrecognized type [song] in object [content], must be one of [text, image_url, file]",
    ),
    (
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]}, "status_exception",
        "Field [tool_call_id] is [c], which no message before it asked for",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "kind", "message"), WRONG, ids=[str(case[0])[:60] for case in WRONG])
def test_a_wrong_body_is_told_in_the_form_of_chats(world: World, said: Any, kind: str, message: str) -> None:
    """The error has code, message and type; on a stream it is the one event. Nobody is called."""
    told = post(world, "/_inference/chat_completion/chat", said)
    assert (told.status, error(told)) == (400, refused(message, kind))
    told = post(world, "/_inference/chat_completion/chat/_stream", said)
    assert (told.status, told.headers["content-type"]) == (400, "text/event-stream")
    assert told.events == [("error", {"error": refused(message, kind)})]
    assert world.provider.calls == []


def test_an_endpoint_of_another_task_is_told_so(world: World) -> None:
    """A chat needs an endpoint of chats, and such an endpoint a chat; the texts are like Elasticsearch's."""
    unified = "Incompatible task_type for unified API, the requested type [chat_completion]"
    for path, kind in (("c", "completion"), ("e", "text_embedding")):
        told = post(world, f"/_inference/chat_completion/{path}", ASKED)
        assert error(told) == refused(f"{unified} does not match the model type [{kind}]", "status_exception")
    lost = refused("Inference endpoint not found [none]", "resource_not_found_exception", "not_found")
    told = post(world, "/_inference/chat_completion/none", ASKED)
    assert (told.status, error(told)) == (404, lost)
    told = post(world, "/_inference/completion/chat", {"input": "x"})
    mismatch = "Incompatible task_type, the requested type [completion] does not match the model type [chat_completion]"
    assert (told.status, told.json["error"]["reason"]) == (400, mismatch)
    hint = (
        "Inference entity [chat] does not support task type [chat_completion] for inference, the task type must be one"
        " of [text_embedding, embedding, completion]. The task type for the inference entity is chat_completion, please"
        " use the _inference/chat_completion/chat/_stream URL."
    )
    assert error(post(world, "/_inference/chat", {"input": "x"})) == refused(hint, "status_exception")
    told = post(world, "/_inference/chat/_stream", {"input": "x"})
    assert told.events == [("error", {"error": refused(hint, "status_exception")})]


def test_a_provider_that_refuses_is_quoted_in_the_form_of_chats(world: World) -> None:
    """Type, code and parameter are the provider's where it has some; without them they are ours."""
    said = {"message": f"too long, {SECRET}", "type": "invalid_request_error", "param": "messages", "code": "length"}
    reason = "Received a bad request status code for request from inference entity id [chat] status [400]"
    world.provider.answer = lambda _: json_reply({"error": said}, 400)
    wanted = {**said, "message": f"{reason}. Error message: [too long, ***]"}
    assert error(post(world, "/_inference/chat", ASKED)) == wanted
    told = post(world, "/_inference/chat/_stream", ASKED)
    assert (told.status, told.events) == (400, [("error", {"error": wanted})])
    world.provider.answer = lambda _: json_reply({"error": {**said, "code": None, "param": None}}, 400)
    assert list(error(post(world, "/_inference/chat", ASKED))) == ["message", "type"]
    world.provider.answer = lambda _: json_reply({}, 502)
    told = post(world, "/_inference/chat/_stream", ASKED)
    assert (told.status, told.events[0][1]["error"]["code"]) == (400, "bad_request")


BEDROCK = {"access_key": "AKIA", "secret_key": SECRET, "region": "us-east-1", "provider": "anthropic", "model": "m"}
STREAMS: list[tuple[str, dict[str, Any]]] = [
    ("openai/chat_completion_stream.sse", openai()),
    ("openai/completion_stream.sse", openai()),
    ("hugging_face/completion_without_done.sse", hugging_face()),
    (
        "anthropic/chat_completion_stream.sse",
        {
            "service": "anthropic",
            "service_settings": {"api_key": SECRET, "model_id": "m"},
            "task_settings": {"max_tokens": 5},
        },
    ),
    (
        "amazonbedrock/chat_completion_stream.eventstream",
        {"service": "amazonbedrock", "service_settings": BEDROCK},
    ),
]
FAULTS = {
    "cut": b"",
    "nonsense": b"data: {not json}\n\n",
    "complaint": b'event: error\ndata: {"type":"error","error":{"message":"overloaded","type":"overloaded_error"}}\n\n',
}


def split(data: bytes) -> list[bytes]:
    """The events of a recorded stream, as bytes that end with one."""
    if not data.startswith(b"\0"):
        return [event + b"\n\n" for event in data.replace(b"\r", b"").split(b"\n\n") if event.strip()]
    found: list[bytes] = []
    while data:
        size = int.from_bytes(data[:4])
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(("name", "config"), STREAMS, ids=[name for name, _ in STREAMS])
def test_a_stream_that_breaks_at_any_event_ends_with_an_error_and_no_done(
    world: World, name: str, config: dict[str, Any], fault: bytes
) -> None:
    """What came before is handed on; then comes one error in the form of chats, and nothing more."""
    world.create("broken", CHAT, config)
    events = split(replayed(name))
    if name.endswith(".eventstream") and fault:
        fault = events[0][:-1] + b"\0"  # the checksum is wrong
    broken = 0
    for count in range(len(events) - 1):
        pieces = [*events[:count], fault]
        world.provider.answer = lambda _, pieces=pieces: Arrived(200, pieces)
        told = post(world, "/_inference/chat_completion/broken/_stream", ASKED)
        if not fault and told.events[-1] == ("message", "[DONE]"):  # a finish was seen: servers may close then
            assert b'"finish_reason"' in told.body
            continue
        broken += 1
        assert b"[DONE]" not in told.body
        *before, (sort, last) = told.events
        assert all(kind == "message" and data["object"] == "chat.completion.chunk" for kind, data in before)
        assert (sort, list(last)) == ("error", ["error"])
        assert {"message", "type"} <= set(last["error"])
        assert SECRET not in told.body.decode()
        assert (told.status == 200) == bool(before)
    assert broken >= 3
    world.provider.answer = lambda _: Arrived(200, events)
    told = post(world, "/_inference/chat_completion/broken/_stream", ASKED)
    assert told.events[-1] == ("message", "[DONE]")
    assert told.events[-2][1]["usage"]["total_tokens"] > 0


def test_a_stream_without_done_ends_well(world: World) -> None:
    """Servers that close after the finish reason have said all; the cost that came with it is told after it."""
    world.provider.answer = lambda _: Arrived(200, [replayed("hugging_face/completion_without_done.sse")])
    told = post(world, "/_inference/chat/_stream", ASKED)
    assert told.events[-1] == ("message", "[DONE]")
    assert told.events[-2][1]["choices"] == []
    assert told.events[-3][1]["choices"][0]["finish_reason"] == "length"


def test_what_a_server_does_not_tell_is_left_out(world: World) -> None:
    """A chunk of a server without ids and models has no model, and the request's id."""
    said = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
    world.provider.answer = lambda _: Arrived(200, [said])
    told = post(world, "/_inference/chat/_stream", ASKED)
    assert all(set(data) == {"choices", "id", "object"} for _, data in told.events[:-1])


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["type", "text", "role", "content", "function", "name", "effort", "url", "value"]), inner,
        max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
FULL = {
    "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.test/b", "detail": "low"}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "model": "m", "stop": ["x"], "temperature": 1, "top_p": 1, "max_completion_tokens": 1,
    "reasoning": {"effort": "low", "summary": "auto", "enabled": True},
}  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for name, inner in items for each in paths(inner, (*path, name)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


@given(path=st.sampled_from(paths(FULL)), new=STRANGE)
def test_a_body_with_anything_strange_in_it_is_taken_or_refused(world: World, path: Any, new: Any) -> None:
    """Whatever stands in the place of whatever part of a body, the answer is 200 or 400."""
    world.provider.answer = lambda _: json_reply(
        {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    )
    assert post(world, "/_inference/chat_completion/chat", put(FULL, path, new)).status in (200, 400)


@pytest.mark.parametrize("path", paths(FULL), ids=str)
def test_a_body_may_be_nested_deeply(world: World, path: tuple[Any, ...]) -> None:
    """However deep a body is, it does not overflow what reads it or what quotes it."""
    for depth in (400, 900, 5000):
        marked = json.dumps(put(FULL, path, "<deep>"))
        deep = marked.replace('"<deep>"', "[" * depth + "]" * depth).encode()
        assert post(world, "/_inference/chat_completion/chat", deep).status in (200, 400)
