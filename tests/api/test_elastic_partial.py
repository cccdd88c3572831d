"""`partial` at Elasticsearch's face, and how every face says which input an error is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Told, post
from world import COMPLETION, EMBEDDING, HANG, Arrived, World, body, hugging_face, json_reply, like_openai, openai

from inferpoint.errors import kind_of_status
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply

MakeWorld = Callable[..., World]
CUTTING = {"strategy": "word", "max_chunk_size": 20, "overlap": 0}
PATHS = ("/_inference/e", "/_inference/text_embedding/e")


def picky(call: Call) -> Reply:
    """A provider that takes no text with "bad" in it."""
    said = body(call)
    texts = said.get("input", said.get("inputs"))
    if any("bad" in text for text in texts):
        error = {"message": "no bad words", "type": "invalid_request_error", "param": "input[0]"}
        return json_reply({"error": error}, 400)
    return json_reply([{text: 1.0} for text in texts]) if "inputs" in said else like_openai(call)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with an endpoint of each task type, on a provider that takes no bad texts."""
    made = make_world(picky, validate=False)
    made.create("e", EMBEDDING, openai({"rate_limit": {"tokens_per_minute": 5000}}))
    made.create("m", TaskType.EMBEDDING, openai())
    made.create("s", TaskType.SPARSE_EMBEDDING, hugging_face())
    made.create("r", TaskType.RERANK, hugging_face())
    made.create("c", COMPLETION, openai())
    made.create("chat", TaskType.CHAT_COMPLETION, openai())
    return made


def refused(inference_id: str, said: str = "no bad words", status: int = 400) -> dict[str, Any]:
    reason = (
        f"Received a bad request status code for request from inference entity id [{inference_id}]"
        f" status [{status}]. Error message: [{said}]"
    )
    kind = kind_of_status(status).value
    return {"error": {"type": "status_exception", "reason": reason, "kind": kind}, "status": status}


def failed(told: Told) -> str | None:
    assert told.status == 200, told.json
    return told.headers.get("x-inferpoint-failed")


def test_an_error_stands_in_the_place_of_a_vector(world: World) -> None:
    """By a field or a parameter; a header says how many there are, and is not there without any."""
    asked = {"input": ["a", "bad", "ccc"]}
    for path in PATHS:
        for told in (post(world, path, {**asked, "partial": True}), post(world, f"{path}?partial", asked)):
            assert failed(told) == "1"
            assert told.json == {"text_embedding": [{"embedding": [1, 0, 1]}, refused("e"), {"embedding": [3, 0, 1]}]}
    told = post(world, PATHS[0], {"input": ["a"], "partial": True})
    assert (failed(told), told.json) == (None, {"text_embedding": [{"embedding": [1, 0, 1]}]})
    told = post(world, PATHS[0], {"input": "bad", "partial": True})
    assert (failed(told), told.json) == ("1", {"text_embedding": [refused("e")]})


def test_every_kind_of_vector_may_be_missing(world: World) -> None:
    """Sparse ones, those of `embedding`, and those of chunks."""
    asked = {"input": ["a", "bad"], "partial": True}
    told = post(world, "/_inference/s", asked)
    first, second = told.json["sparse_embedding"]
    assert (failed(told), first) == ("1", {"is_truncated": False, "embedding": {"a": 1.0}})
    assert (second["status"], second["error"]["type"]) == (400, "status_exception")
    told = post(world, "/_inference/m", asked)
    assert (failed(told), told.json) == ("1", {"embeddings": [{"embedding": [1, 0, 1]}, refused("m")]})
    long = " ".join(["good"] * 30)
    more = {"input": [long, f"{long} bad", "a"], "partial": True, "chunked": True, "chunking_settings": CUTTING}
    for inference_id, name in (("e", "text_embedding"), ("m", "embeddings"), ("s", "sparse_embedding")):
        told = post(world, f"/_inference/{inference_id}", more)
        first, second, third = told.json[name]
        assert (failed(told), len(first["chunks"]), len(third["chunks"])) == ("1", 2, 1)
        assert (second["status"], set(second)) == (400, {"error", "status"})


def test_a_whole_refusal_says_which_input_it_is_about(world: World) -> None:
    """Without `partial`; a single input is not counted."""
    reason = refused("e")["error"]["reason"]
    for said in ({"input": ["a", "b", "c", "bad"]}, {"input": ["a", "b", "c", "bad"], "partial": False}):
        told = post(world, PATHS[0], said)
        assert (told.status, told.json["error"]["reason"]) == (400, f"Input [3]: {reason}")
    assert post(world, PATHS[0], {"input": ["bad"]}).json["error"]["reason"] == reason
    told = post(world, "/_inference/s", {"input": ["a", "bad"], "chunked": True})
    assert told.json["error"]["reason"].startswith("Input [1]: ")


def test_openais_face_says_it_in_its_own_field(world: World) -> None:
    """The place is that of the request, wherever it was in the call that the provider speaks of."""
    error = post(world, "/v1/embeddings", {"model": "e", "input": ["a", "b", "c", "bad"]}).json["error"]
    assert (error["param"], error["type"]) == ("input[3]", "invalid_request_error")
    assert error["message"] == f"Input [3]: {refused('e')['error']['reason']}"
    error = post(world, "/v1/embeddings", {"model": "e", "input": "bad"}).json["error"]
    assert (error["param"], error["message"]) == ("input[0]", refused("e")["error"]["reason"])
    long = post(world, "/v1/embeddings", {"model": "e", "input": ["a", "x" * 20_000]})
    assert (long.status, long.json["error"]["param"]) == (400, "input[1]")
    assert "tokens_per_minute" in long.json["error"]["message"]


def test_errors_of_ours_stand_there_too(world: World) -> None:
    """A text that is too long for the limit, and what did not come in time."""
    told = post(world, PATHS[0], {"input": ["x" * 20_000, "a", ""], "partial": True})
    found = told.json["text_embedding"]
    assert (failed(told), found[1], found[2]) == ("1", {"embedding": [1, 0, 1]}, {"embedding": [0, 0, 1]})
    assert (found[0]["status"], found[0]["error"]["type"]) == (400, "status_exception")
    assert found[0]["error"]["reason"].startswith("An input of about [")
    world.provider.answer = lambda _: Arrived(200, [b"{", HANG])
    told = post(world, PATHS[0], {"input": ["a", "b"], "partial": True, "timeout": "100ms"})
    reason = "Request timed out after [100ms] for inference id [e]"
    late = {"error": {"type": "timeout_exception", "reason": reason, "kind": "timed_out"}, "status": 408}
    assert (failed(told), told.json) == ("2", {"text_embedding": [late, late]})


@pytest.mark.parametrize("value", ["true", 1, [True], {}])
def test_it_is_true_or_false(world: World, value: Any) -> None:
    """Anything else is refused, and so is another word in the query."""
    told = post(world, PATHS[0], {"input": "a", "partial": value})
    assert told.status == 400
    assert "Field [partial] must be true or false" in told.json["error"]["reason"]
    told = post(world, f"{PATHS[0]}?partial=yes", {"input": "a"})
    assert (told.status, told.json["error"]["type"]) == (400, "illegal_argument_exception")
    assert post(world, PATHS[0], {"input": "a", "partial": None}).status == 200
    assert not failed(post(world, f"{PATHS[0]}?partial=true", {"input": "a", "partial": False}))


@pytest.mark.parametrize(
    ("inference_id", "kind", "said"),
    [
        ("c", "completion", {"input": "a"}),
        ("r", "rerank", {"input": ["a"], "query": "q"}),
        ("chat", "chat_completion", {"messages": [{"role": "user", "content": "a"}]}),
    ],
)
def test_other_tasks_have_no_partial_results(world: World, inference_id: str, kind: str, said: dict[str, Any]) -> None:
    """Whoever asks for one is told so, by the field and by the parameter, and nobody is called."""
    for path in (f"/_inference/{inference_id}", f"/_inference/{kind}/{inference_id}"):
        for query, more in (("?partial", {}), ("", {"partial": True})):
            told = post(world, path + query, {**said, **more})
            assert told.status == 400
            words = str(told.json["error"])
            assert f"Results cannot be partial for task type [{kind}]" in words or "unknown field [partial]" in words
    assert world.provider.calls == []
