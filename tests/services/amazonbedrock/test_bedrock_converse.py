"""Conversations with Converse and ConverseStream, judged by AWS's own SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from bedrock_judge import ours, read, read_stream, sent
from botocore.exceptions import ParamValidationError
from conversing import usual_choice
from frames import GOLDEN, error, event, exception
from hypothesis import given, settings
from hypothesis import strategies as st
from played import answered, asked, complained, endpoint, reply, streamed, told

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion, Finished, Started, Text, Usage, Used

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x"
SETTINGS = {"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "region": "us-east-1"}
PROVIDERS = {
    "amazontitan": "amazon.titan-text-premier-v1:0",
    "anthropic": ARN,
    "ai21labs": "ai21.jamba-1-5-large-v1:0",
    "cohere": "cohere.command-r-plus-v1:0",
    "meta": "us.meta.llama3-1-8b-instruct-v1:0",
    "mistral": "mistral.mistral-large-2402-v1:0",
}
TOP_K = {"anthropic": "top_k", "cohere": "k", "mistral": "top_k"}


def model(provider: str = "meta", settings: Mapping[str, Any] = {}, **options: Any) -> Resolved:
    given = {**SETTINGS, "provider": provider, "model": PROVIDERS[provider], **settings}
    return endpoint(TaskType.COMPLETION, "amazonbedrock", given, options)


# --- what is sent -----------------------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 1) | st.floats(0, 1)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(PROVIDERS)),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={"max_new_tokens": st.integers(1, 2**31 - 1), "temperature": NUMBERS, "top_p": NUMBERS},
    ),
    st.none() | st.integers(1, 500) | st.floats(0.25, 500),
)
def test_the_request_is_the_one_that_the_sdk_makes(
    provider: str, text: str, stream: bool, options: dict[str, Any], top_k: float | None
) -> None:  # fmt: skip
    """Method, path with its encoding, headers and body, for the same parameters."""
    parameters: dict[str, Any] = {
        "modelId": PROVIDERS[provider],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": options.get("max_new_tokens", 64)},
    }
    for name, theirs in (("temperature", "temperature"), ("top_p", "topP")):
        if name in options:
            parameters["inferenceConfig"][theirs] = options[name]
    if top_k is not None and provider in TOP_K:
        options = {**options, "top_k": top_k}
        parameters["additionalModelRequestFields"] = {TOP_K[provider]: top_k}
    call = asked(model(provider, **options), text, stream=stream)
    assert ours(call, HOST) == sent("ConverseStream" if stream else "Converse", **parameters)


def test_the_judge_refuses_what_is_not_legal() -> None:
    """So that it means something that it refuses nothing of ours."""
    with pytest.raises(ParamValidationError):
        sent("Converse", modelId="m", messages=[{"role": "user", "content": [{"text": 5}]}])


def test_sixty_four_tokens_unless_it_is_said() -> None:
    """The page's default is sent, and not shown as if somebody had set it."""
    assert json.loads(asked(model(), "hi").body)["inferenceConfig"] == {"maxTokens": 64}
    assert "task_settings" not in model().shown()
    assert model(max_new_tokens=64).shown()["task_settings"] == {"max_new_tokens": 64}


@pytest.mark.parametrize("provider", sorted(TOP_K))
@pytest.mark.parametrize(("given", "sent_as"), [(20, b"20"), (20.0, b"20"), (0.5, b"0.5"), (1e300, b"1e300")])
def test_top_k_reaches_the_model(provider: str, given: float, sent_as: bytes) -> None:
    """Under the model's own name, in the request and not in the paths of the reply; a whole number has no point."""
    body = asked(model(provider, top_k=given), "hi").body
    field = f'"additionalModelRequestFields":{{"{TOP_K[provider]}":'.encode() + sent_as + b"}"
    assert field in body
    assert b"ResponseField" not in body


def test_it_is_signed() -> None:
    """For the region and the host that is called."""
    headers = asked(model(), "hi").headers
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request,"
        " SignedHeaders=content-type;host;x-amz-date, Signature="
    )
    assert headers["authorization"] != asked(model(), "hi", origin="http://127.0.0.1:4566").headers["authorization"]


def test_where_it_is_sent() -> None:
    """AWS_ENDPOINT_URL_BEDROCK_RUNTIME moves it."""
    call = asked(model(), "hi", origin="http://127.0.0.1:4566")
    assert call.url == "http://127.0.0.1:4566/model/us.meta.llama3-1-8b-instruct-v1%3A0/converse"


# --- whole replies ----------------------------------------------------------------------------------------------------

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, the example's response.
WHOLE: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "<text generated by the model>"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658},
    "metrics": {"latencyMs": 1275},
}


def whole(**changed: Any) -> Completion:
    given = reply({**WHOLE, **changed}, headers={"x-amzn-requestid": "r-1"})
    assert read("Converse", given)["stopReason"] == {**WHOLE, **changed}["stopReason"]
    result = answered(model(), given)
    assert isinstance(result, Completion)
    return result


def test_a_reply() -> None:
    """Text, end, cost."""
    choice = usual_choice("<text generated by the model>", reason="stop")
    assert whole() == Completion([choice], Usage(30, 628), "r-1", PROVIDERS["meta"])


def test_every_block_of_text_is_a_result_of_its_own() -> None:
    """As Elasticsearch reads them; other blocks say nothing."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"text": "One"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"text": "no"}}},
        {"text": " Two"},
    ]
    result = whole(output={"message": {"role": "assistant", "content": content}})
    assert [choice.text for choice in result.choices] == ["One", " Two"]


def test_what_was_cached_is_part_of_the_prompt() -> None:
    """Bedrock counts it apart."""
    usage = {**WHOLE["usage"], "cacheReadInputTokens": 100, "cacheWriteInputTokens": 20}
    assert whole(usage=usage).usage == Usage(150, 628, cached=100, cache_written=20)


REASONS = [
    ("end_turn", "stop"),
    ("stop_sequence", "stop"),
    ("max_tokens", "length"),
    ("model_context_window_exceeded", "length"),
    ("tool_use", "tool_calls"),
    ("guardrail_intervened", "content_filter"),
    ("content_filtered", "content_filter"),
    ("a_reason_of_2031", "stop"),
]


@pytest.mark.parametrize(("stop", "reason"), REASONS)
def test_why_it_ended(stop: str, reason: str) -> None:
    """In OpenAI's words, whole and streamed."""
    assert whole(stopReason=stop).choices[0].reason == reason
    assert streamed(model(), [event("messageStop", {"stopReason": stop})]) == ([Finished(0, reason)], None)


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_the_model_spoiled_is_an_error(stop: str) -> None:
    """OpenAI's words have no reason for it."""
    with pytest.raises(InferenceError, match=stop) as whole_error:
        whole(stopReason=stop)
    assert whole_error.value.kind is Kind.UNREADABLE
    _, fault = streamed(model(), [event("messageStop", {"stopReason": stop})])
    assert fault is not None
    assert fault.kind is Kind.UNREADABLE


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b"{}", b'{"output":{}}', b'{"output":{"message":{}}}',
     b'{"output":{"message":{"content":"x"}}}', b'{"output":{"message":{"content":[{"text":1}]}}}',
     b'{"output":{"message":{"content":[{"text":"cut'],
)  # fmt: skip
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    """Never another exception."""
    with pytest.raises(InferenceError) as fault:
        answered(model(), reply(body))
    assert fault.value.kind is Kind.UNREADABLE


# --- streams ----------------------------------------------------------------------------------------------------------

USAGE = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}


def piece(text: str, **more: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}, **more})


BLOCK_END = event("contentBlockStop", {"contentBlockIndex": 0})
STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 300}})
# The order of API_runtime_ConverseStream: text blocks have no start; the padding `p` is what AWS adds.
STREAM = [GOLDEN, piece("Hello", p="abcdef"), piece("\n"), piece(" naïve 👋"), BLOCK_END, STOP, METADATA]
STARTED = Started("", PROVIDERS["meta"])
TEXTS = [Text("Hello"), Text("\n"), Text(" naïve 👋")]
DELTAS = [STARTED, *TEXTS, Finished(0, "stop"), Used(Usage(9, 4))]


def test_the_stream_is_legal() -> None:
    """By the SDK's parser, which reads the same from it."""
    found = read_stream(b"".join(STREAM))
    texts = [each["contentBlockDelta"]["delta"]["text"] for each in found if "contentBlockDelta" in each]
    assert texts == [text.text for text in TEXTS]
    assert found[-1]["metadata"]["usage"] == USAGE


def test_a_stream_cut_at_every_byte_gives_the_same_deltas() -> None:
    """Frames have nothing to do with the pieces in which a body arrives."""
    body = b"".join(STREAM)
    for place in range(len(body)):
        assert streamed(model(), [body[:place], body[place:]]) == (DELTAS, None)
    assert streamed(model(), [body[place : place + 1] for place in range(len(body))]) == (DELTAS, None)


def test_a_flipped_bit_is_an_error_and_never_a_wrong_text() -> None:
    """Anywhere in the stream; the deltas before it are the right ones."""
    body = b"".join(STREAM)
    for bit in range(len(body) * 8):
        broken = bytearray(body)
        broken[bit // 8] ^= 1 << bit % 8
        found, fault = streamed(model(), [bytes(broken)])
        assert fault is not None
        assert fault.kind in (Kind.UNREADABLE, Kind.CUT_OFF)
        assert found == DELTAS[: len(found)]


def test_a_stream_that_ends_before_its_end_is_cut_off() -> None:
    """At a frame or inside one; `messageStop` is the end, and the cost may be missing."""
    body = b"".join(STREAM[:-2])
    for length in range(0, len(body) + 1, 7):
        found, fault = streamed(model(), [body[:length]])
        assert fault is not None
        assert fault.kind is Kind.CUT_OFF
        assert found == DELTAS[: len(found)]
    assert streamed(model(), STREAM[:-1]) == (DELTAS[:-1], None)


@pytest.mark.parametrize(
    "strange",
    [
        event("contentBlockStart", {"contentBlockIndex": 0, "start": {}}),  # as aimock sends it
        event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"text":1}'}}}),
        event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"reasoningContent": {}}}),
        event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {}}),
        event("eventOf2031", {"text": ["not", "text"]}),
        event("metadata", {"metrics": {"latencyMs": 1}}),
    ],
)
def test_events_and_deltas_that_are_not_known_are_passed_over(strange: bytes) -> None:
    """Anywhere."""
    for place in range(len(STREAM)):
        assert streamed(model(), [*STREAM[:place], strange, *STREAM[place:]]) == (DELTAS, None)


EXCEPTIONS = [
    ("internalServerException", 500, 400),
    ("modelStreamErrorException", 424, 424),
    ("validationException", 400, 400),
    ("throttlingException", 429, 429),
    ("serviceUnavailableException", 503, 400),
]


@pytest.mark.parametrize(("name", "status", "told_status"), EXCEPTIONS)
def test_an_emulated_exception_in_a_stream(name: str, status: int, told_status: int) -> None:
    """What came before is handed on; the exception's type stands for the status that it would have had."""
    frame = exception(name, "No more.")
    assert read_stream(frame) == [{"Error": {"Code": name, "Message": "No more."}}]
    found, fault = streamed(model(), [b"".join([*STREAM[:3], frame, *STREAM[3:]])])
    assert found == DELTAS[:3]
    assert fault is not None
    assert fault.upstream == Upstream(status, "No more.", name)
    assert told(fault)[:2] == (told_status, "status_exception")


def test_an_emulated_error_in_a_stream_that_is_not_declared() -> None:
    """Its words are in its headers."""
    _, fault = streamed(model(), [GOLDEN, error("InternalFailure", "")])
    assert fault is not None
    assert fault.upstream == Upstream(500, "", "InternalFailure")
    _, fault = streamed(model(), [GOLDEN, error("ThrottlingException", "Slow down")])
    assert fault is not None
    assert fault.upstream == Upstream(429, "Slow down", "ThrottlingException")


@pytest.mark.parametrize("payload", [[], {"delta": 1}, {"delta": {"text": 1}}])
def test_an_event_of_another_shape_is_unreadable(payload: Any) -> None:
    """Never another exception."""
    _, fault = streamed(model(), [event("contentBlockDelta", payload)])
    assert fault is not None
    assert fault.kind is Kind.UNREADABLE


# --- refusals ---------------------------------------------------------------------------------------------------------

FOR = "for request from inference entity id [e]"
UNSUCCESSFUL = "Received an unsuccessful status code"
DENIED = "Received a permission denied error status code"
BROKEN = "Received a server error status code"


@pytest.mark.parametrize(
    ("status", "kind", "phrase", "told_status"),
    [
        (400, "ValidationException", UNSUCCESSFUL, 400),
        (400, "ServiceQuotaExceededException", UNSUCCESSFUL, 400),
        (403, "AccessDeniedException", DENIED, 403),
        (403, "UnrecognizedClientException", DENIED, 403),
        (404, "ResourceNotFoundException", UNSUCCESSFUL, 404),
        (408, "ModelTimeoutException", UNSUCCESSFUL, 408),
        (424, "ModelErrorException", UNSUCCESSFUL, 424),
        (429, "ThrottlingException", "Received a rate limit status code", 429),
        (429, "ModelNotReadyException", "Received a rate limit status code", 429),
        (500, "InternalServerException", BROKEN, 400),
        (503, "ServiceUnavailableException", BROKEN, 400),
    ],
)
def test_a_refusal(status: int, kind: str, phrase: str, told_status: int) -> None:
    """The status is mirrored below 500; the SDK reads the same type and words."""
    refusing = reply({"message": "No."}, status, {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/"})
    assert read("Converse", refusing)["Error"] == {"Code": kind, "Message": "No."}
    fault = complained(model(), refusing)
    assert fault.upstream == Upstream(status, "No.", kind)
    reason = f"{phrase} {FOR} status [{status}]. Error message: [No.]"
    assert told(fault) == (told_status, "status_exception", reason)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"message": "No."}, {"x-amzn-errortype": "ValidationException"}),
        ({"Message": "No."}, {"x-amzn-errortype": "ValidationException:"}),
        ({"message": "No."}, {"x-amzn-errortype": "aws.api#ValidationException:http://internal.amazon.com/coral/"}),
        ({"message": "No.", "__type": "com.amazonaws.bedrock#ValidationException"}, {}),
        ({"message": "No.", "__type": "ValidationException"}, {}),
    ],
)
def test_where_a_refusal_says_what_it_is(body: dict[str, str], headers: dict[str, str]) -> None:
    """In a header or in the body, between a namespace and an address."""
    assert complained(model(), reply(body, 400, headers)).upstream == Upstream(400, "No.", "ValidationException")


def test_a_refusal_that_says_nothing() -> None:
    """A front end's page is not for programs."""
    assert str(complained(model(), reply(b"<html/>", 503))) == f"{BROKEN} {FOR} status [503]"
    assert complained(model(), reply({}, 400)).upstream == Upstream(400)
