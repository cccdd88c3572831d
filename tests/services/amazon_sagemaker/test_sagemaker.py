"""What SageMaker's page lets a user set, judged by AWS's own SDK; and what the SDK raises, as callers are told it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from frames import frame
from in_process import post
from played import answered, asked, complained, endpoint, refused, reply, streamed, told
from world import Arrived, World, json_reply

from inferpoint import services
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.preflight import cannot_stream, prepared
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import Documents, InferenceRequest, InputType
from inferpoint.model.results import Completion, Text

MODEL = botocore.session.Session().get_service_model("sagemaker-runtime")
SETTINGS = {
    "access_key": "AKIDEXAMPLE",
    "secret_key": "secret-example",
    "region": "us-east-1",
    "endpoint_name": "my-endpoint",
    "api": "openai",
}
ELASTIC = {"api": "elastic"}
NAMED = {
    "target_model": "TargetModel",
    "target_container_hostname": "TargetContainerHostname",
    "inference_component_name": "InferenceComponentName",
}
OPTIONS = {
    "custom_attributes": "CustomAttributes",
    "enable_explanations": "EnableExplanations",
    "inference_id": "InferenceId",
    "session_id": "SessionId",
    "target_variant": "TargetVariant",
}
EMBEDDING, SPARSE, COMPLETION, CHAT = (
    TaskType.TEXT_EMBEDDING,
    TaskType.SPARSE_EMBEDDING,
    TaskType.COMPLETION,
    TaskType.CHAT_COMPLETION,
)


def model(kind: TaskType = COMPLETION, settings: Mapping[str, Any] = {}, **options: Any) -> Resolved:
    return endpoint(kind, "amazon_sagemaker", SETTINGS | settings, options)


def config(settings: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {"service": "amazon_sagemaker", "service_settings": SETTINGS | settings, "task_settings": options}


def by_the_sdk(call: Call, *, stream: bool, **parameters: str) -> None:
    """Assert that the SDK makes the same call of *parameters* and the same body."""
    operation = MODEL.operation_model("InvokeEndpointWithResponseStream" if stream else "InvokeEndpoint")
    given = {"EndpointName": "my-endpoint", "ContentType": "application/json", "Accept": "application/json"}
    taken = {name: value for name, value in parameters.items() if name in operation.input_shape.members}
    made = create_serializer("rest-json").serialize_to_request({**given, **taken, "Body": call.body}, operation)
    headers = {name.lower(): value for name, value in made["headers"].items()}
    assert (call.method, call.url) == (
        made["method"],
        f"https://runtime.sagemaker.us-east-1.amazonaws.com{made['url_path']}",
    )
    assert {name: call.headers[name] for name in call.headers.keys() - {"authorization", "x-amz-date"}} == headers


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_makes_the_same_call(stream: bool) -> None:
    """Every setting and option is what the SDK calls it, and a stream has those alone that the SDK has for streams."""
    settings, options = ({name: f"a-{sdk}" for name, sdk in names.items()} for names in (NAMED, OPTIONS))
    call = asked(model(settings=settings, **options), "hi", stream=stream)
    by_the_sdk(call, stream=stream, **{sdk: f"a-{sdk}" for sdk in (*NAMED.values(), *OPTIONS.values())})


def test_the_sdk_reads_what_our_streams_are_made_of() -> None:
    """The frames of the conversations are those that the SDK takes for a stream of parts."""
    shape = MODEL.operation_model("InvokeEndpointWithResponseStream").output_shape.members["Body"]
    parser, buffer = create_parser("rest-json")._event_stream_parser, EventStreamBuffer()
    buffer.add_data(part(b"one") + broken("ModelStreamError"))
    read = [parser.parse(message.to_response_dict(), shape) for message in buffer]
    assert read[0] == {"PayloadPart": {"Bytes": b"one"}}
    assert read[1]["Error"] == {"Code": "ModelStreamError", "Message": "No"}


@pytest.mark.parametrize("kind", [SPARSE, TaskType.RERANK])
def test_a_task_that_the_api_does_not_have(kind: TaskType) -> None:
    """Refused when the endpoint is made, with those that it has."""
    assert refused(kind, config({})) == (
        405,
        "status_exception",
        f"Task [{kind}] is not compatible for service [sagemaker] and api [openai]."
        " Supported tasks: [[text_embedding, completion, chat_completion]]",
    )
    assert refused(kind, config(ELASTIC)) is None


@pytest.mark.parametrize(
    ("settings", "options", "problem"),
    [
        ({"api": "smart"}, {}, "Invalid value [smart] received. [api] must be one of [elastic, openai]"),
        ({"region": "us east"}, {}, "Invalid value [us east] received. [region] must match the pattern"),
        ({"endpoint_name": "a/b"}, {}, "Invalid value [a/b] received. [endpoint_name] must match the pattern"),
        ({"batch_size": 0}, {}, "Invalid value [0]. [batch_size] must be a positive integer"),
        ({"dimensions": 0}, {}, "Invalid value [0]. [dimensions] must be a positive integer"),
        (ELASTIC, {}, "does not contain the required setting [element_type]"),
        ({**ELASTIC, "element_type": "int"}, {}, "[element_type] must be one of [bit, byte, float]"),
        ({"element_type": "byte"}, {}, "Invalid value [byte]: the api [openai] has [float] only"),
        ({}, {"session_id": "a\nb"}, "[session_id] must match the pattern"),
        ({}, {"top_k": 3}, "settings [{top_k=3}] unknown to the [amazon_sagemaker] service"),
        ({**ELASTIC, "element_type": "float"}, {"top_k": 3}, "settings [{top_k=3}] unknown to the [amazon_sagemaker]"),
        ({**ELASTIC, "element_type": "float"}, {"extra": {"a": 1}}, "settings [{extra={a=1}}] unknown to"),
    ],
)
def test_settings_that_are_wrong(settings: Mapping[str, Any], options: Mapping[str, Any], problem: str) -> None:
    """Each by its name and what is allowed, before any call."""
    answer = refused(EMBEDDING, config(settings, **options))
    assert answer is not None
    assert answer[0] == 400
    assert problem in answer[2]


@pytest.mark.parametrize("name", ["access_key", "secret_key", "region", "endpoint_name", "api"])
def test_settings_that_are_missing(name: str) -> None:
    """Named, before any call."""
    given = {key: value for key, value in SETTINGS.items() if key != name}
    answer = refused(COMPLETION, {"service": "amazon_sagemaker", "service_settings": given})
    assert answer is not None
    assert f"does not contain the required setting [{name}]" in answer[2]


def test_what_the_container_is_told_with_a_request() -> None:
    """Task settings that nobody declares go to Elasticsearch behind, from requests alone; OpenAI's API has no place."""
    requested = InferenceRequest(("hi",), InputType.CLASSIFICATION, options={"top_k": 3, "session_id": "s", "extra": 1})
    whole = prepared(model(EMBEDDING, {**ELASTIC, "element_type": "float"}), requested, EMBEDDING)
    call = asked(whole, "hi", input_type=InputType.CLASSIFICATION)
    assert json.loads(call.body) == {
        "input": "hi",
        "input_type": "classification",
        "task_settings": {"top_k": 3, "extra": 1},
    }
    assert call.headers["x-amzn-sagemaker-session-id"] == "s"
    with pytest.raises(InferenceError, match=r"settings \[\{top_k=3, extra=1\}\] unknown to"):
        prepared(model(EMBEDDING), requested, EMBEDDING)


def test_a_ranking_asks_for_what_was_asked() -> None:
    """How many documents, and whether with their texts."""
    resolved = model(TaskType.RERANK, ELASTIC)
    request = InferenceRequest(Documents("q", ("a", "b"), return_documents=True, top_n=1))
    call = resolved.task.encode(request, resolved.endpoint.settings, resolved.endpoint.options, "https://s.test")
    assert json.loads(call.body) == {"input": ["a", "b"], "query": "q", "return_documents": True, "top_n": 1}


def test_inputs_go_in_batches(make_world: Callable[..., World]) -> None:
    """As many in a call as the endpoint says."""

    def answer(call: Call) -> Any:
        texts = json.loads(call.body)["input"]
        rows = [[1, len(text)] for text in ([texts] if isinstance(texts, str) else texts)]
        return json_reply({"data": [{"embedding": row} for row in rows]})

    world = make_world(answer, validate=False)
    made = world.create("e", EMBEDDING, config({"batch_size": 2}))
    assert made.shown()["service_settings"]["batch_size"] == 2
    assert "rate_limit" not in made.shown()["service_settings"]
    world.infer("e", "a", "bb", "ccc")
    assert sorted(str(json.loads(call.body)["input"]) for call in world.provider.calls) == ["['a', 'bb']", "ccc"]


@pytest.mark.parametrize("name", ["sagemaker", "amazonsagemaker", "amazon_sagemaker"])
def test_it_has_several_names(make_world: Callable[..., World], name: str) -> None:
    """An endpoint that is made, or changed, under any of them has the service's own."""
    world = make_world(validate=False)
    made = world.create("e", COMPLETION, {**config({}), "service": name})
    assert made.shown()["service"] == "amazon_sagemaker"
    changed = {"service": name, "service_settings": {"secret_key": "another-one"}}
    assert world.update("e", changed).shown()["service"] == "amazon_sagemaker"
    assert name in ("amazon_sagemaker", *services.ALIASES)
    assert name == "amazon_sagemaker" or name not in services.names()


@pytest.mark.parametrize(
    ("status", "body", "headers", "phrase"),
    [
        (400, {"Message": "No"}, {"x-amzn-errortype": "ValidationError:http://a"}, "Received a validation error from"),
        (424, {"Message": "?", "OriginalMessage": "No"}, {}, "Received a model error from"),
        (424, {"Message": "?", "OriginalMessage": '{"error": {"message": "No"}}'}, {}, "Received a model error from"),
        (424, {"Message": "No", "OriginalMessage": ""}, {}, "Received a model error from"),
        (429, {"Message": "No"}, {}, "Received a model not ready error from"),
        (500, {"Message": "No"}, {}, "Received an internal failure from"),
        (503, {"message": "No"}, {}, "is unavailable"),
        (530, {"Message": "No"}, {}, "Received an internal dependency error from"),
    ],
)
def test_errors(status: int, body: Mapping[str, Any], headers: Mapping[str, str], phrase: str) -> None:
    """In Elasticsearch's words, with those of the container or of AWS, which Elasticsearch does not show."""
    error = complained(model(), reply(body, status, headers))
    reason = told(error)[2]
    assert phrase in reason
    assert reason.endswith(f"for request from inference entity id [e] status [{status}]. Error message: [No]")
    assert error.upstream is not None
    assert error.upstream.type == ("ValidationError" if headers else None)


def part(data: bytes) -> bytes:
    return frame({":message-type": "event", ":event-type": "PayloadPart"}, data)


def broken(name: str) -> bytes:
    return frame({":message-type": "exception", ":exception-type": name}, b'{"Message": "No"}')


DELTA = b'{"choices":[{"index":0,"delta":{"content":"Hi"}}]}'


@pytest.mark.parametrize(
    ("settings", "data", "status"),
    [
        ({}, part(b"data: " + DELTA + b"\n\n") + broken("ModelStreamError"), 424),
        ({}, part(b"data: " + DELTA + b"\n\n") + broken("InternalStreamFailure"), 500),
        ({}, part(b"data: " + DELTA + b"\n\n") + part(b'data: {"error": {"message": "No", "code": 429}}\n\n'), 429),
        (
            ELASTIC,
            part(b'{"completion":[{"delta":"Hi"}]}')
            + part(b'{"error":{"type":"status_exception","reason":"No"},"status":400}'),
            500,
        ),
    ],
)
def test_streams_that_break(settings: Mapping[str, Any], data: bytes, status: int) -> None:
    """What came before is told, then the error."""
    deltas, error = streamed(model(settings=settings), [data])
    assert [delta for delta in deltas if isinstance(delta, Text)] == [Text("Hi")]
    assert error is not None
    assert error.upstream is not None
    assert (error.upstream.status, error.upstream.message) == (status, "No")


def test_streams_of_what_does_not_stream() -> None:
    """Refused, with the tasks that do."""
    status, _, reason = told(cannot_stream(model(EMBEDDING)))
    assert (status, reason) == (
        405,
        "Streaming is not allowed for service [amazon_sagemaker] and task [text_embedding]."
        " Supported tasks: [completion,chat_completion]",
    )


def test_several_completions_are_several_results() -> None:
    """Elasticsearch behind answers each input by itself."""
    found = answered(model(settings=ELASTIC), reply({"completion": [{"result": "a"}, {"result": "b"}]}), "x", "y")
    assert isinstance(found, Completion)
    assert [choice.text for choice in found.choices] == ["a", "b"]


def test_what_a_container_says_beside_its_answer_is_handed_on(make_world: Callable[..., World]) -> None:
    """Under Elasticsearch's names, whole and streamed, of the calls of one request together; never a key of ours."""
    beside = {
        "x-amzn-sagemaker-custom-attributes": "trace_id=1",
        "x-amzn-sagemaker-new-session-id": "s-1; Expires=2026-11-28T12:00:00Z",
        "x-amzn-sagemaker-closed-session-id": "secret-example",
        "x-amzn-invoked-production-variant": "a",
    }
    wanted = {
        "x-elastic-sagemaker-custom-attributes": "trace_id=1",
        "x-elastic-sagemaker-new-session-id": "s-1; Expires=2026-11-28T12:00:00Z",
        "x-elastic-sagemaker-closed-session-id": "***",
    }
    world = make_world(lambda _: json_reply({"sparse_embedding": [{"embedding": {"a": 1}}]}, **beside), validate=False)
    world.create("s", SPARSE, config(ELASTIC))
    world.create("c", COMPLETION, config(ELASTIC))

    def handed_on(path: str) -> dict[str, str]:
        answer = post(world, path, {"input": "x"})
        assert answer.status == 200, answer.body
        return {name: value for name, value in answer.headers.items() if "sagemaker" in name}

    assert handed_on("/_inference/s") == wanted
    piece = frame({":message-type": "event", ":event-type": "PayloadPart"}, b'{"completion":[{"delta":"Hi"}]}')
    world.provider.answer = lambda _: Arrived(
        200, [piece], {**beside, "content-type": "application/vnd.amazon.eventstream"}
    )
    assert handed_on("/_inference/c/_stream") == wanted
    world.provider.answer = lambda _: json_reply({"completion": [{"result": "a"}]})
    assert handed_on("/_inference/c") == {}
