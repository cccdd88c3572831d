from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Application
from world import Arrived, body, json_reply, openai

from inferpoint.api.face import Request
from inferpoint.api.openai.embeddings import inputs
from inferpoint.api.openai.errors import fail
from inferpoint.errors import InferenceError, Kind, Upstream, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply
from inferpoint.model.requests import ANONYMOUS

JSON = {"content-type": "application/json"}
SAID = [{"role": "user", "content": "hi"}]
Faces = Callable[..., Application]


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "c1", "model": "gpt", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}\n\n'
STREAM = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Very"}),
    chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
    chunk({}, "tool_calls"),
    USAGE,
    b"data: [DONE]\n\n",
)


def embedded(ask: Application, **more: Any) -> Any:
    return ask("POST", "/v1/embeddings", {"model": "vectors", "input": "hi", **more})


def chatted(ask: Application, **more: Any) -> Any:
    return ask("POST", "/v1/chat/completions", {"model": "chat", "messages": SAID, **more})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_every_kind_of_input_reaches_a_provider_that_takes_it(ask: Application, given: Any, sent: Any) -> None:
    told = embedded(ask, input=given)
    assert told.status == 200
    assert body(ask.world.provider.calls[-1])["input"] == sent
    assert told.json["object"] == "list"
    assert told.json["model"] == "vectors"
    assert [row["index"] for row in told.json["data"]] == list(range(len(sent)))


def test_vectors_as_numbers_are_the_providers_own_text_and_as_base64_the_same_numbers(faces: Faces) -> None:
    ask = faces(lambda _: Reply(200, b'{"data":[{"embedding":[0.10, -2e-1,3]}],"usage":{"prompt_tokens":5}}'))
    told = embedded(ask)
    assert b'"embedding":[0.10, -2e-1,3]' in told.body
    assert told.json["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert b'"embedding":[0.10, -2e-1,3]' in ask("POST", "/_inference/vectors", {"input": "hi"}).body
    written = embedded(ask, encoding_format="base64").json["data"][0]["embedding"]
    assert list(array("f", base64.b64decode(written))) == list(array("f", [0.1, -0.2, 3.0]))
    again = ask("POST", "/_inference/vectors", {"input": "hi", "encoding_format": "base64"}).json
    assert again == {"text_embedding": [{"embedding": written}]}


def test_base64_is_the_providers_own_where_it_has_it(faces: Faces) -> None:
    """Asked for in base64 it passes unread; who wants numbers has the call made for numbers."""
    row = {"embedding": "AACAPwAAAEA=", "index": 0}
    ask = faces(lambda _: json_reply({"data": [row], "usage": {"prompt_tokens": 5}}))
    assert embedded(ask, encoding_format="base64").json["data"][0]["embedding"] == row["embedding"]
    assert body(ask.world.provider.calls[-1])["encoding_format"] == "base64"
    assert embedded(ask).json["data"][0]["embedding"] == [1, 2]
    assert body(ask.world.provider.calls[-1])["encoding_format"] == "float"


def test_a_strange_form_of_vectors_is_refused_on_elasticsearchs_face(faces: Faces) -> None:
    ask = faces(lambda _: Reply(200, b"{}"))
    status, error = ask("POST", "/_inference/vectors", {"input": "hi", "encoding_format": "int8"}).error
    assert status == 400
    assert "[encoding_format] must be one of [float, base64], but was [int8]" in error["reason"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"input": None}, "[input] is required"),
        ({"input": []}, "[input] must be"),
        ({"input": ["a", 1]}, "[input.1] must be a string"),
        ({"input": [1, True]}, "[input] must be"),
        ({"input": [[1], []]}, "[input] must be"),
        ({"input": [-1]}, "[input] must be"),
        ({"encoding_format": "int8"}, "[encoding_format] must be one of [float, base64]"),
        ({"dimensions": 4}, "[dimensions] is [4], but the vectors of [vectors] have [3]"),
        ({"dimensions": "3"}, "[dimensions] must be an integer"),
        ({"flavour": 1}, "[flavour] is not supported"),
    ],
)
def test_what_is_wrong_with_embeddings_names_the_field(ask: Application, more: Any, problem: str) -> None:
    status, error = embedded(ask, **more).error
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert problem in error["message"]


def test_dimensions_that_are_the_endpoints_own_are_taken(ask: Application) -> None:
    assert embedded(ask, dimensions=3).status == 200


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([83, 1609, 5963, 374, 2294, 0], "tiktoken is great!"),  # OpenAI's own example
        ([15339, 1917], "hello world"),
        ([15339, 100257], "hello<|endoftext|>"),
        ([9468, 239, 235], "👍"),  # one character of three tokens
    ],
)
def test_tokens_for_others_are_texts_again(ask: Application, tokens: list[int], text: str) -> None:
    """What OpenAI's clients cut into tokens reaches a provider that takes none as the text it was."""
    ask.world.provider.answer = lambda _: json_reply([[0.5, 1.0]])
    assert embedded(ask, model="tei", input=[tokens]).status == 200
    assert body(ask.world.provider.calls[-1])["inputs"] == [text]


@pytest.mark.parametrize("tokens", [[100256], [100277], [9468], [2**40]])
def test_numbers_that_are_no_text_are_refused_with_what_to_do(ask: Application, tokens: list[int]) -> None:
    """A number that is no token, and tokens that end within a character, are the caller's fault."""
    status, error = embedded(ask, model="tei", input=[tokens]).error
    assert status == 400
    assert "send strings instead" in error["message"]
    assert not ask.world.provider.calls


@pytest.mark.parametrize("given", ["hi", [[1, 2]]])
def test_embedding_endpoints_are_taken_like_text_embedding_ones(ask: Application, given: Any) -> None:
    ask.world.create("both", TaskType.EMBEDDING, openai())
    assert embedded(ask, model="both", input=given).status == 200


def test_more_token_arrays_than_a_call_takes_are_several_calls(ask: Application) -> None:
    assert len(embedded(ask, input=[[each] for each in range(2049)]).json["data"]) == 2049
    assert [len(body(call)["input"]) for call in ask.world.provider.calls] == [2048, 1]


def test_a_whole_chat(faces: Faces) -> None:
    message = {"content": "Very big.", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}]}
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}
    answer = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    ask = faces(lambda _: json_reply(answer))
    more = {"seed": 7, "temperature": 1, "max_tokens": 5, "stop": "x", "user": "ada", "n": 1, "stream": False}
    told = chatted(ask, **more, tools=[{"type": "function", "function": {"name": "f"}}])
    assert told.json["object"] == "chat.completion"
    assert told.json["id"].startswith("chatcmpl-")
    assert told.json["model"] == "chat"
    assert told.json["created"] > 0
    assert told.json["choices"][0]["message"]["tool_calls"][0]["id"] == "t"
    assert told.json["usage"]["total_tokens"] == 5
    sent = body(ask.world.provider.calls[-1])
    assert (sent["seed"], sent["temperature"], sent["max_completion_tokens"], sent["stop"]) == (7, 1, 5, ["x"])
    assert (sent["user"], sent["model"]) == ("ada", "m")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "Unrecognized role [king]"),
        ({"messages": [*SAID, {"role": "tool", "content": "4", "tool_call_id": "t"}]}, "[tool_call_id]"),
        ({"n": 2}, "[n] must be 1"),
        ({"logprobs": True}, "[logprobs] is not supported"),
        ({"functions": [{}]}, "[functions] is not supported"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "[max_tokens] and [max_completion_tokens]"),
        ({"temperature": "hot"}, "[temperature] must be a number"),
        ({"stream": "yes"}, "[stream] must be true or false"),
        ({"stop": [1]}, "[stop.0] must be a string"),
        ({"model": 3}, "[model] must be a string"),
        ({"model": "claude", "seed": 7}, "[seed]"),
        ({"model": "vectors"}, "task_type"),
    ],
)
def test_what_is_wrong_with_a_chat_names_the_field(ask: Application, more: Any, problem: str) -> None:
    for streamed in ({}, {"stream": True}):
        status, error = chatted(ask, **{**streamed, **more}).error
        assert status == 400
        assert problem in error["message"]
        assert error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("given", [b"", b"{", b"[]", b'{"a":"\xff"}', b"[" * 5000])
def test_a_body_that_is_no_object(ask: Application, given: bytes) -> None:
    for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/messages"):
        status, error = ask("POST", path, given).error
        assert (status, error["type"]) == (400, "invalid_request_error")


def test_a_stream_has_no_event_lines_and_usage_only_when_asked(faces: Faces) -> None:
    ask = faces(lambda _: Arrived(200, STREAM))
    told = chatted(ask, stream=True)
    assert told.headers["content-type"] == "text/event-stream"
    assert b"event:" not in told.body
    *chunks, done = told.framed
    assert done.data == b"[DONE]"
    read = [json.loads(each.data) for each in chunks]
    assert all(each["choices"] and "usage" not in each for each in read)
    assert {(each["id"], each["model"], each["object"]) for each in read} == {("c1", "gpt", "chat.completion.chunk")}
    assert len({each["created"] for each in read}) == 1
    told = chatted(ask, stream=True, stream_options={"include_usage": True})
    *chunks, last, done = (each.data for each in told.framed)
    assert all(json.loads(each)["usage"] is None for each in chunks)
    assert json.loads(last)["choices"] == []
    assert json.loads(last)["usage"]["total_tokens"] == 5


@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("how", [None, ConnectionError, b"data: {oops\n\n", b'data: {"error":{"message":"no"}}\n\n'])
def test_a_stream_that_breaks_off_ends_in_an_error(faces: Faces, count: int, how: Any) -> None:
    """At every event, however it breaks."""
    end = [InferenceError(Kind.CUT_OFF, "gone")] if how is ConnectionError else [how] if how else []
    ask = faces(lambda _: Arrived(200, [*STREAM[:count], *end]))
    told = chatted(ask, stream=True)
    assert b"[DONE]" not in told.body
    assert json.loads(told.framed[-1].data)["error"]["message"]
    told = ask("POST", "/v1/messages", {"model": "chat", "messages": SAID, "max_tokens": 5, "stream": True})
    assert told.framed[-1].name == "error"
    assert "message_stop" not in {each.name for each in told.framed}
    assert json.loads(told.framed[-1].data)["type"] == "error"


def test_an_error_before_a_stream_has_its_status(faces: Faces) -> None:
    refused = json_reply({"error": {"message": "bad key", "type": "t", "code": "invalid_api_key", "param": "p"}}, 401)
    ask = faces(lambda _: refused)
    status, error = chatted(ask, stream=True).error
    assert (status, error["type"], error["code"], error["param"]) == (401, "t", "invalid_api_key", "p")
    assert "bad key" in error["message"]


def test_models_are_endpoints(ask: Application) -> None:
    told = ask("GET", "/v1/models").json
    assert told["object"] == "list"
    assert [each["id"] for each in told["data"]] == ["chat", "claude", "ranks", "tei", "vectors"]
    assert ask("GET", "/v1/models/claude").json == {
        "id": "claude",
        "object": "model",
        "created": 0,
        "owned_by": "anthropic",
    }
    status, error = ask("GET", "/v1/models/nobody").error
    assert (status, error["code"]) == (404, "model_not_found")


def test_a_model_may_have_other_names(ask: Application) -> None:
    ask.world.update("chat", {"aliases": ["gpt-4o", "best"]})
    ask.world.update("vectors", {"aliases": ["text-embedding-3-small"]})
    ask.world.update("claude", {"aliases": ["claude-opus"]})
    ask.world.update("ranks", {"aliases": ["rerank-v3.5"]})
    listed = [each["id"] for each in ask("GET", "/v1/models").json["data"]]
    assert listed == [
        *("chat", "gpt-4o", "best"),
        *("claude", "claude-opus"),
        *("ranks", "rerank-v3.5"),
        "tei",
        *("vectors", "text-embedding-3-small"),
    ]
    found = {"id": "claude-opus", "object": "model", "created": 0, "owned_by": "anthropic"}
    assert ask("GET", "/v1/models/claude-opus").json == found
    assert chatted(ask, model="gpt-4o").status == 200
    assert embedded(ask, model="text-embedding-3-small").json["model"] == "text-embedding-3-small"
    assert ask("POST", "/v1/messages", {"model": "gpt-4o", "max_tokens": 5, "messages": SAID}).status == 200
    assert ask("POST", "/_inference/text-embedding-3-small", {"input": "hi"}).status == 200
    assert ask("GET", "/_inference/gpt-4o").json["endpoints"][0]["inference_id"] == "chat"
    before = len(ask.world.provider.calls)
    ask("POST", "/v2/rerank", {"model": "rerank-v3.5", "query": "q", "documents": ["a"]})
    assert len(ask.world.provider.calls) == before + 1


def test_an_alias_is_streamed(faces: Faces) -> None:
    ask = faces(lambda _: Arrived(200, STREAM))
    ask.world.update("chat", {"aliases": ["best"]})
    assert b"[DONE]" in chatted(ask, model="best", stream=True).body


def test_what_does_not_exist_is_said_in_the_words_of_its_face(ask: Application) -> None:
    assert ask("POST", "/v1/batches", {}).error[1]["code"] == "unknown_url"
    assert ask("GET", "/v1").error[1]["code"] == "unknown_url"
    assert ask("GET", "/v1x").json["status"] == 404
    assert ask("GET", "/v1/embeddings").headers["allow"] == "POST"
    assert ask("GET", "/v1/messages").json["type"] == "error"
    assert ask("GET", "/v1/messages/batches").json["type"] == "error"
    assert "message" in ask("GET", "/v2/embed").json
    assert ask("GET", "/nothing").json["status"] == 404


def failed(error: InferenceError) -> tuple[int, str | None, str | None]:
    request = Request("POST", "/v1/x", {}, {}, {}, b"", ANONYMOUS, "r")
    answer = fail(error, request)
    return answer.status, answer.headers.get("x-should-retry"), answer.headers.get("retry-after")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (invalid("x"), (400, None, None)),
        (InferenceError(Kind.RATE_LIMITED, "x", retry_after=1.2, whose_limit="ours"), (429, "true", "2")),
        (InferenceError(Kind.RATE_LIMITED, "x", retry_after=1.2, whose_limit="key"), (429, "true", "2")),
        (InferenceError(Kind.RATE_LIMITED, "x", retry_after=7000.0, whose_limit="key"), (429, "false", "7000")),
        (InferenceError(Kind.OVERLOADED, "x"), (503, "true", None)),
        (InferenceError(Kind.RATE_LIMITED, "x", upstream=Upstream(429), retry_after=9), (429, None, "9")),
        (InferenceError(Kind.TIMED_OUT, "x"), (408, "false", None)),
        (InferenceError(Kind.TIMED_OUT, "x", upstream=Upstream(504)), (502, "false", None)),
        (InferenceError(Kind.INTERNAL, "x", upstream=Upstream(500)), (502, "false", None)),
        (InferenceError(Kind.INVALID, "x", upstream=Upstream(304)), (502, "false", None)),
        (InferenceError(Kind.CONFLICT, "x", upstream=Upstream(409)), (409, "false", None)),
        (InferenceError(Kind.CUT_OFF, "x"), (502, "false", None)),
        (InferenceError(Kind.UNREADABLE, "x"), (502, "false", None)),
        (InferenceError(Kind.INTERNAL, "x"), (500, "false", None)),
    ],
)
def test_whether_to_ask_again(error: InferenceError, told: tuple[int, str | None, str | None]) -> None:
    assert failed(error) == told


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_words(kind: Kind) -> None:
    assert failed(InferenceError(kind, "x"))[0] >= 400


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda of: st.lists(of, max_size=3))
)
def test_no_input_is_an_error_of_ours(value: Any) -> None:
    try:
        assert inputs(value)
    except InferenceError as error:
        assert error.kind is Kind.INVALID


def test_both_faces_give_the_same_vectors(faces: Faces) -> None:
    """The numbers of one endpoint are the same bytes through Elasticsearch's face and through OpenAI's."""
    vector = b"[0.10000000149011612, -1e-07, 3, 0.30]"
    answer = b'{"data": [{"index": 1, "embedding": [1,2,3,4]}, {"index": 0, "embedding": %b}]}' % vector
    ask = faces(lambda _: Reply(200, answer))
    ours = ask("POST", "/_inference/text_embedding/vectors", {"input": ["a", "b"]}, headers=JSON).body
    theirs = embedded(ask, input=["a", "b"], encoding_format="float").body
    for told in (ours, theirs):
        assert told.count(b'"embedding":' + vector) == 1
        assert told.index(vector) < told.index(b"[1,2,3,4]")
