"""Anthropic's conversations, from its documentation, with the types of its SDK as the judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from anthropic.types import ErrorResponse, Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from conversing import usual_choice
from played import answered, asked, complained, endpoint, refused, reply, streamed, told
from pydantic import TypeAdapter

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion, Finished, Started, Text, Usage, Used

SETTINGS = {"api_key": "sk-ant-example", "model_id": "claude-sonnet-4-5"}
OPTIONS = {"max_tokens": 1024}
SAMPLING = {"temperature", "top_k", "top_p"}


def claude(settings: Mapping[str, Any] = {}, **options: Any) -> Resolved:
    return endpoint(TaskType.COMPLETION, "anthropic", SETTINGS | settings, OPTIONS | options)


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_completion_is_one_users_turn() -> None:
    """https://docs.anthropic.com/en/api/messages: the headers of the API, and nothing that was not set."""
    call = asked(claude(), "Why is the sky blue?")
    assert (call.method, call.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert call.headers == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-ant-example",
    }
    assert call.body == (
        b'{"messages":[{"role":"user","content":"Why is the sky blue?"}],"model":"claude-sonnet-4-5","max_tokens":1024}'
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"temperature": 0.5, "top_k": 40, "top_p": 0.9}])
def test_the_body_is_one_that_the_sdk_would_send(options: dict[str, Any], *, stream: bool) -> None:
    """The SDK's types judge all but three fields, which 2026-10-21 has no more and 2023-06-01 has."""
    body = json.loads(asked(claude(**options), "hi", stream=stream).body)
    assert {name: body.pop(name) for name in SAMPLING & body.keys()} == options
    assert body.get("stream", False) is stream
    shape = MessageCreateParamsStreaming if stream else MessageCreateParamsNonStreaming
    assert body.keys() <= shape.__annotations__.keys()
    TypeAdapter(shape).validate_python(body, strict=True)


@pytest.mark.parametrize(
    ("settings", "origin", "url"),
    [
        ({}, "http://127.0.0.1:4010", "http://127.0.0.1:4010/v1/messages"),
        ({"url": "https://proxy.test/claude"}, "http://127.0.0.1:4010", "https://proxy.test/claude"),
    ],
)
def test_where_it_is_sent(settings: dict[str, Any], origin: str, url: str) -> None:
    """ANTHROPIC_BASE_URL is without /v1; the setting `url` is the whole address and goes before it."""
    assert asked(claude(settings), "hi", origin=origin).url == url


# --- whole replies ----------------------------------------------------------------------------------------------------

# https://docs.anthropic.com/en/api/messages, the example response.
WHOLE: dict[str, Any] = {
    "id": "msg_013Zva2CMHLNnjNjJJKqJ2EF",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Hi! My name is Claude."}],
    "model": "claude-sonnet-4-5",
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 2095, "output_tokens": 503},
}


def whole(**changed: Any) -> Completion:
    result = answered(claude(), reply({**WHOLE, **changed}))
    assert isinstance(result, Completion)
    return result


def test_a_reply() -> None:
    """Text, end, cost, and whose answer it is."""
    Message.model_validate(WHOLE)
    choice = usual_choice("Hi! My name is Claude.", reason="stop")
    assert whole() == Completion([choice], Usage(2095, 503), WHOLE["id"], "claude-sonnet-4-5")


def test_every_block_of_text_is_a_result_of_its_own() -> None:
    """As Elasticsearch reads them; other blocks say nothing."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "One", "citations": None},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"text": 1}},
        {"type": "text", "text": ""},
        {"type": "block_of_2031", "text": ["not", "text"]},
        {"type": "text", "text": " Two"},
    ]
    assert [choice.text for choice in whole(content=content).choices] == ["One", "", " Two"]


def test_an_answer_without_text_is_one_without_results() -> None:
    """A refusal may have no content at all."""
    assert whole(content=[], stop_reason="refusal").choices == []


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_reason_of_2031", "stop"),
    ],
)
def test_why_it_ended(stop: str, reason: str) -> None:
    """In OpenAI's words, whole and streamed."""
    assert whole(stop_reason=stop).choices[0].reason == reason
    events = [{"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": None}]
    assert streamed(claude(), [said(events)]) == ([Finished(0, reason)], None)


def test_what_was_cached_is_part_of_the_prompt() -> None:
    """Total prompt tokens = input + cache_creation + cache_read (the SDK's `Usage`)."""
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
        "service_tier": "standard",
    }
    assert whole(usage=usage).usage == Usage(123, 7, cached=100, reasoning=5, cache_written=20)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b'{"type":"message"}', b'{"content":"text"}', b'{"content":[{"type":"text"}]}',
     b'{"content":[{"type":"text","text":5}]}', b'{"content":[{"type":"text","text":"cut'],
)  # fmt: skip
def test_what_is_no_message_is_unreadable(body: bytes) -> None:
    """Never another exception."""
    with pytest.raises(InferenceError) as error:
        answered(claude(), reply(body))
    assert error.value.kind is Kind.UNREADABLE


# --- streams ----------------------------------------------------------------------------------------------------------

START = {
    "type": "message_start",
    "message": {**WHOLE, "content": [], "stop_reason": None, "usage": {"input_tokens": 25, "output_tokens": 1}},
}
STOP = [
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]  # fmt: skip
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
PING = {"type": "ping"}


def piece(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


# https://docs.anthropic.com/en/docs/build-with-claude/streaming, "Basic streaming request".
DOCUMENTED = [START, BLOCK, PING, piece("Hello"), piece("!"), *STOP]
BEGINNING = [Started(WHOLE["id"], "claude-sonnet-4-5"), Used(Usage(25, 1))]
ENDING = [Finished(0, "stop"), Used(Usage(25, 15))]


def said(events: list[dict[str, Any]]) -> bytes:
    """Events as they are on the wire."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def test_the_documented_events_are_legal() -> None:
    """By the SDK's types; `ping` is the one event that they leave out."""
    known = TypeAdapter[Any](RawMessageStreamEvent)
    for event in DOCUMENTED:
        if event is not PING:
            known.validate_python(event)


def test_the_documented_stream() -> None:
    """However its bytes arrive."""
    body = said(DOCUMENTED)
    expected = ([*BEGINNING, Text("Hello"), Text("!"), *ENDING], None)
    for place in range(len(body)):
        assert streamed(claude(), [body[:place], body[place:]]) == expected
    assert streamed(claude(), [body[place : place + 1] for place in range(len(body))]) == expected


def test_white_space_is_text() -> None:
    """Elasticsearch drops such deltas; here an answer keeps its lines."""
    texts = ["One", "\n", " ", "\t", "two"]
    found, error = streamed(claude(), [said([START, BLOCK, *map(piece, texts), *STOP])])
    assert error is None
    assert [delta.text for delta in found if isinstance(delta, Text)] == texts


def test_a_block_may_begin_with_text() -> None:
    """The text of `content_block_start` is text too."""
    begun = {**BLOCK, "content_block": {"type": "text", "text": "He"}}
    found, error = streamed(claude(), [said([START, begun, piece("y"), *STOP])])
    assert error is None
    assert found == [*BEGINNING, Text("He"), Text("y"), *ENDING]


STRANGE: list[dict[str, Any]] = [
    {"type": "vertex_event", "message": "not a message", "delta": 1, "content_block": []},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": "", "text": 1}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "delta_of_2031", "text": {"an": "object"}}},
    {"an event": "without a type"},
    PING,
]


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("place", range(len(DOCUMENTED)))
def test_events_and_deltas_that_are_not_known_are_passed_over(strange: dict[str, Any], place: int) -> None:
    """Anywhere, `ping` even before the beginning."""
    events = [*DOCUMENTED[:place], {"type": "", **strange}, *DOCUMENTED[place:]]
    assert streamed(claude(), [said(events)]) == ([*BEGINNING, Text("Hello"), Text("!"), *ENDING], None)


def test_the_kind_of_an_event_is_what_its_json_says() -> None:
    """Proxies lose the `event:` line."""
    body = b"".join(line + b"\n" for line in said(DOCUMENTED).split(b"\n") if not line.startswith(b"event:"))
    assert streamed(claude(), [body]) == ([*BEGINNING, Text("Hello"), Text("!"), *ENDING], None)


def test_the_last_count_is_the_whole_count() -> None:
    """`message_delta` counts on from the beginning, and may correct the prompt."""
    counted = {**STOP[1], "usage": {"input_tokens": 30, "cache_read_input_tokens": 5, "output_tokens": 15}}
    found, _ = streamed(claude(), [said([START, counted])])
    assert found[-1] == Used(Usage(35, 15, cached=5))


@pytest.mark.parametrize("length", range(len(DOCUMENTED) - 2))
def test_a_stream_that_ends_before_its_end_is_cut_off(length: int) -> None:
    """A stop reason or `message_stop` is the end, whichever comes first."""
    _, error = streamed(claude(), [said(DOCUMENTED[:length])])
    assert error is not None
    assert error.kind is Kind.CUT_OFF
    for enough in (DOCUMENTED[:-1], [*DOCUMENTED[:length], STOP[-1]]):
        assert streamed(claude(), [said(enough)])[1] is None


@pytest.mark.parametrize(
    ("kind", "status", "told_status"),
    [
        ("invalid_request_error", 400, 400),
        ("authentication_error", 401, 401),
        ("permission_error", 403, 403),
        ("not_found_error", 404, 404),
        ("request_too_large", 413, 413),
        ("rate_limit_error", 429, 429),
        ("billing_error", 402, 402),
        ("timeout_error", 504, 400),
        ("overloaded_error", 529, 400),
        ("api_error", 500, 400),
        ("an_error_of_2031", 500, 400),
    ],
)
def test_an_error_in_a_stream(kind: str, status: int, told_status: int) -> None:
    """Its type stands for the status that it would have had; the words are the engine's to choose."""
    body = {"type": "error", "error": {"type": kind, "message": "Overloaded"}}
    found, error = streamed(claude(), [said([START, BLOCK, piece("He"), body, *STOP])])
    assert found == [*BEGINNING, Text("He")]
    assert error is not None
    assert error.upstream == Upstream(status, "Overloaded", kind)
    assert told(error)[:2] == (told_status, "status_exception")


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"{", b'{"type":"error"}', b'{"type":"message_start"}', b'{"type":1}',
     b'{"type":"content_block_delta","delta":{"type":"text_delta"}}'],
)  # fmt: skip
def test_what_is_no_event_is_unreadable(data: bytes) -> None:
    """Never another exception."""
    _, error = streamed(claude(), [b"data: " + data + b"\n\n"])
    assert error is not None
    assert error.kind is Kind.UNREADABLE


# --- refusals ---------------------------------------------------------------------------------------------------------

FOR = "for request from inference entity id [e]"
UNSUCCESSFUL = "Received an unsuccessful status code"
LIMITS = {
    "anthropic-ratelimit-tokens-limit": "80000",
    "anthropic-ratelimit-tokens-remaining": "0",
    "anthropic-ratelimit-tokens-reset": "2026-11-20T08:01:00Z",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "12",
    "anthropic-ratelimit-requests-reset": "2026-11-20T08:00:01Z",
    "retry-after": "17",
}


@pytest.mark.parametrize(
    ("status", "kind", "phrase", "told_status"),
    [
        (400, "invalid_request_error", UNSUCCESSFUL, 400),
        (401, "authentication_error", "Received an authentication error status code", 401),
        (402, "billing_error", UNSUCCESSFUL, 402),
        (403, "permission_error", "Received a permission denied error status code", 403),
        (404, "not_found_error", UNSUCCESSFUL, 404),
        (413, "request_too_large", UNSUCCESSFUL, 413),
        (500, "api_error", "Received a server error status code", 400),
        (504, "timeout_error", "Received a server error status code", 400),
        (529, "overloaded_error", "Received an Anthropic server is temporarily overloaded status code", 400),
    ],
)
def test_a_refusal(status: int, kind: str, phrase: str, told_status: int) -> None:
    """Elasticsearch's phrase, the status and Anthropic's words."""
    body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}
    if kind != "request_too_large":  # it comes from the edge, and the SDK has no type for it
        ErrorResponse.model_validate(body)
    error = complained(claude(), reply(body, status))
    assert error.upstream == Upstream(status, "No.", kind)
    reason = f"{phrase} {FOR} status [{status}]. Error message: [No.]"
    assert told(error) == (told_status, "status_exception", reason)


def test_a_rate_limit_says_how_much_is_left() -> None:
    """With the counters of the reply's headers; without them, `unknown`."""
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    error = complained(claude(), reply(body, 429, LIMITS))
    assert str(error) == (
        "Received a rate limit status code. Token limit [80000], remaining tokens [0],"
        " tokens reset [2026-11-20T08:01:00Z]. Request limit [50], remaining requests [12],"
        " request reset [2026-11-20T08:00:01Z]. Retry after [17]"
        f" {FOR} status [429]. Error message: [Slow down.]"
    )
    assert (error.kind, error.whose_limit, error.retry_after) == (Kind.RATE_LIMITED, "provider", 17)
    assert str(complained(claude(), reply(body, 429))).count("[unknown]") == 7


def test_a_refusal_from_the_edge() -> None:
    """A page for people instead of JSON says nothing."""
    error = complained(claude(), reply(b"<html>413</html>", 413))
    assert str(error) == f"{UNSUCCESSFUL} {FOR} status [413]"


# --- settings ---------------------------------------------------------------------------------------------------------


def test_what_is_shown() -> None:
    """Never the key; the rate limit always."""
    assert claude(temperature=0.2).shown() == {
        "inference_id": "e",
        "task_type": "completion",
        "service": "anthropic",
        "service_settings": {"model_id": "claude-sonnet-4-5", "rate_limit": {"requests_per_minute": 50}},
        "task_settings": {"max_tokens": 1024, "temperature": 0.2},
    }
    limited = claude({"rate_limit": {"requests_per_minute": 7}, "url": "https://proxy.test/"}).shown()
    assert limited["service_settings"]["rate_limit"] == {"requests_per_minute": 7}
    assert limited["service_settings"]["url"] == "https://proxy.test/"


@pytest.mark.parametrize(
    ("options", "warnings"),
    [
        ({"temperature": 0.1, "top_k": 3}, 0),
        ({"top_p": 0.1, "top_k": 3}, 0),
        ({"temperature": 0, "top_p": 0}, 1),
    ],
)
def test_what_is_taken_but_not_wise(options: dict[str, Any], warnings: int) -> None:
    """The page: change temperature or top_p, not both."""
    assert len(claude(**options).warnings) == warnings


def test_whose_calls_wait_in_one_queue() -> None:
    """Those of one model, key and address."""
    groups = [claude(), claude(max_tokens=1), claude({"model_id": "m"}), claude({"api_key": "k"})]
    assert len({each.group for each in groups}) == 3


WRONG_URL = (
    "[service_settings] Invalid url [ftp://h] received for field [url]."
    " Error: unable to parse url [ftp://h]. Reason: the scheme must be http or https"
)
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"api_key": None}, {}, "[secret_settings] does not contain the required setting [api_key]"),
    ({"api_key": ""}, {},
     "[secret_settings] Invalid value empty string. [api_key] must be a non-empty string"),
    ({"api_key": 5}, {},
     "field [api_key] is not of the expected type. The value [***] cannot be converted to a [String]"),
    ({"model_id": None}, {}, "[service_settings] does not contain the required setting [model_id]"),
    ({"model_id": ""}, {},
     "[service_settings] Invalid value empty string. [model_id] must be a non-empty string"),
    ({"model_id": ["m"]}, {},
     "field [model_id] is not of the expected type. The value [[m]] cannot be converted to a [String]"),
    ({"url": "ftp://h"}, {}, WRONG_URL),
    ({"rate_limit": {"requests_per_minute": 0}}, {},
     "[rate_limit] Invalid value [0]. [requests_per_minute] must be a positive long"),
    ({"rate_limit": {"requests_per_minute": "50"}}, {},
     "field [requests_per_minute] is not of the expected type. The value [50] cannot be converted to a [Long]"),
    ({"rate_limit": {"requests_per_minute": 5, "x": 1}}, {},
     "Rate limit settings contain unknown entries [{x=1}]"),
    ({"rate_limit": 50}, {},
     "field [rate_limit] is not of the expected type. The value [50] cannot be converted to a [Map]"),
    ({}, {"max_tokens": None}, "[task_settings] does not contain the required setting [max_tokens]"),
    ({}, {"max_tokens": 0}, "[task_settings] Invalid value [0]. [max_tokens] must be a positive integer"),
    ({}, {"max_tokens": -1}, "[task_settings] Invalid value [-1]. [max_tokens] must be a positive integer"),
    ({}, {"max_tokens": 5.5},
     "field [max_tokens] is not of the expected type. The value [5.5] cannot be converted to a [Integer]"),
    ({}, {"max_tokens": 2**31},
     "field [max_tokens] is not of the expected type. The value [2147483648] cannot be converted to a [Integer]"),
    ({}, {"temperature": "hot"},
     "field [temperature] is not of the expected type. The value [hot] cannot be converted to a [Double]"),
    ({}, {"top_k": 1.5},
     "field [top_k] is not of the expected type. The value [1.5] cannot be converted to a [Integer]"),
    ({}, {"top_p": True},
     "field [top_p] is not of the expected type. The value [true] cannot be converted to a [Double]"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "options", "problem"), WRONG)
def test_wrong_settings(settings: dict[str, Any], options: dict[str, Any], problem: str) -> None:
    """Each by itself, in Elasticsearch's words; null is as if it were not there."""
    config = {"service": "anthropic", "service_settings": SETTINGS | settings, "task_settings": OPTIONS | options}
    assert refused(TaskType.COMPLETION, config) == (
        400,
        "validation_exception",
        f"Validation Failed: 1: {problem};",
    )


UNKNOWN = "Configuration contains settings [{{{}}}] unknown to the [anthropic] service"


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        (TaskType.COMPLETION, {}, "Missing required field [service_settings]"),
        (TaskType.COMPLETION, {"service_settings": SETTINGS | {"x": 1}, "task_settings": OPTIONS},
         UNKNOWN.format("x=1")),
        (TaskType.COMPLETION, {"service_settings": SETTINGS, "task_settings": OPTIONS | {"x": 1}},
         UNKNOWN.format("x=1")),
        (TaskType.COMPLETION, {"service_settings": SETTINGS, "task_settings": OPTIONS, "x": 1}, UNKNOWN.format("x=1")),
        (TaskType.TEXT_EMBEDDING, {"service_settings": SETTINGS, "task_settings": OPTIONS},
         "The [anthropic] service does not support task type [text_embedding]"),
    ],
)  # fmt: skip
def test_wrong_configurations(kind: TaskType, config: dict[str, Any], reason: str) -> None:
    """What stands alone is a plain refusal."""
    assert refused(kind, {"service": "anthropic", **config}) == (400, "status_exception", reason)


def test_all_problems_at_once() -> None:
    """So that a person mends a configuration in one go."""
    reason = (
        "Validation Failed: 1: [secret_settings] does not contain the required setting [api_key];"
        "2: [service_settings] does not contain the required setting [model_id];"
        "3: [task_settings] does not contain the required setting [max_tokens];"
    )
    config = {"service": "anthropic", "service_settings": {}}
    assert refused(TaskType.COMPLETION, config) == (400, "validation_exception", reason)
