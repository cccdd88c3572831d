from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from clock import settle
from turns import calls_waiting
from world import (
    COMPLETION,
    EMBEDDING,
    HANG,
    SECRET,
    Arrived,
    World,
    body,
    elasticsearch,
    hugging_face,
    in_turn,
    json_reply,
    like_openai,
    like_text_embeddings_inference,
    openai,
    told,
)

from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply
from inferpoint.model.requests import Caller, Documents, InferenceRequest, InputType
from inferpoint.model.results import Embeddings, Finished, Started, Text
from inferpoint.protocols.service import Limits

STATUS, SETTINGS = "status_exception", "validation_exception"
MakeWorld = Callable[..., World]


def chunk(text: str | None = None, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@pytest.fixture
def ready(make_world: MakeWorld) -> World:
    """A world with an endpoint for each of: embeddings `e`, completions `c`."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai(task_settings={"user": "stored"}))
    world.create("c", COMPLETION, openai())
    return world


def refused(act: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(InferenceError) as caught:
        act()
    return told(caught.value)


# Batches


def test_a_ranking_is_never_split(make_world: MakeWorld) -> None:
    """More documents than a call takes are refused: scores of two calls need not be comparable."""
    world = make_world(validate=False)
    resolved = world.create("r", TaskType.RERANK, hugging_face())
    rates = replace(resolved.task.rates, limits=lambda _: Limits(inputs=2))
    two = replace(resolved, task=replace(resolved.task, rates=rates, independent=False))
    assert prepared(two, InferenceRequest(Documents("q", ("a", "b"))), None) == two
    assert refused(lambda: prepared(two, InferenceRequest(Documents("q", ("a", "b", "c"))), None)) == (
        400,
        STATUS,
        "Field [input] has [3] documents, and one call of the provider ranks at most [2]; a ranking cannot be split",
    )


def test_many_calls_are_joined_in_order_with_their_usage(make_world: MakeWorld) -> None:
    """However the calls of one request come back, results are in the order of the inputs; usage adds up."""

    def answer(call: Any) -> Reply:
        reply = json.loads(like_openai(call).body)
        return json_reply({**reply, "usage": {"prompt_tokens": len(reply["data"]), "total_tokens": 1}})

    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, openai())
    texts = [f"{number:04}" + "x" * (number % 97) for number in range(4100)]
    found = world.infer("e", *texts)
    assert isinstance(found, Embeddings)
    assert [json.loads(bytes(vector))[0] for vector in found.vectors] == [len(text) for text in texts]
    assert found.usage is not None
    assert found.usage.input == 4100
    assert [len(body(call)["input"]) for call in world.provider.calls] == [2048, 2048, 4]


def test_the_first_error_ends_all_calls_of_a_request(make_world: MakeWorld) -> None:
    """When one of many calls fails, the request fails with its error, and the others are given up."""
    world = make_world(in_turn(json_reply({"error": "no"}, 400)), validate=False)
    world.create("h", EMBEDDING, hugging_face())
    status, _, reason = refused(lambda: world.infer("h", *map(str, range(32 * 20))))
    assert (status, "Error message: [no]" in reason) == (400, True)
    assert len(world.provider.calls) < 20


def test_who_leaves_ends_all_calls_of_a_request(make_world: MakeWorld) -> None:
    """A caller that leaves gives back its places and closes what was open."""
    world = make_world(lambda _: Arrived(200, [b"[", HANG]), validate=False)
    world.create("h", EMBEDDING, hugging_face())

    async def leave() -> None:
        task = asyncio.ensure_future(world.inferring("h", InferenceRequest(tuple(map(str, range(32 * 20))))))
        await settle()
        await world.clock.advance(0.1)
        assert world.provider.arrived
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    assert all(each.closed for each in world.provider.arrived)
    assert (asyncio.run(calls_waiting(world.limiter)), world.clock.alarms) == (0, 0)


# Options and input types


def test_options_of_a_request_are_for_that_request_only(ready: World) -> None:
    """What a request says goes before what is stored, null takes it away, and the next request finds it as it was."""
    for options, user in (({"user": "mine"}, "mine"), ({"user": None}, None), ({}, "stored")):
        ready.infer("e", "x", options=options)
        assert body(ready.provider.calls[-1]).get("user") == user
    assert ready.get("e")["task_settings"] == {"user": "stored"}


def test_wrong_options_of_a_request_are_refused_without_a_call(ready: World) -> None:
    """Unknown and wrong options of a request have the words that those of an endpoint have."""
    unknown = "Configuration contains settings [{nothing=1}] unknown to the [openai] service"
    unknown += "; [task_settings] of [text_embedding] takes [user, headers]"
    assert refused(lambda: ready.infer("e", "x", options={"nothing": 1})) == (400, STATUS, unknown)
    wrong = "Validation Failed: 1: [task_settings] Invalid value empty string. [user] must be a non-empty string;"
    assert refused(lambda: ready.infer("e", "x", options={"user": ""})) == (400, SETTINGS, wrong)
    assert ready.provider.calls == []


@pytest.mark.parametrize("input_type", [None, InputType.SEARCH, InputType.INGEST])
def test_every_embedding_takes_search_and_ingest(make_world: MakeWorld, input_type: InputType | None) -> None:
    """They choose the lane, and are sent only where the provider's wire has them."""
    world = make_world(validate=False)
    for inference_id, config in (("o", openai()), ("h", hugging_face()), ("s", elasticsearch())):
        world.create(inference_id, EMBEDDING, config)
        world.provider.answer = {
            "o": like_openai,
            "h": like_text_embeddings_inference,
            "s": lambda _: json_reply({"embeddings": [[1]], "tokens": 1, "cut": []}),
        }[inference_id]
        world.infer(inference_id, "x", input_type=input_type)
        assert "input_type" not in body(world.provider.calls[-1])


@pytest.mark.parametrize("inference_id", ["e", "c"])
@pytest.mark.parametrize("input_type", [InputType.CLASSIFICATION, InputType.CLUSTERING])
def test_an_input_type_that_the_wire_has_not_is_refused(ready: World, inference_id: str, input_type: InputType) -> None:
    """Elsewhere `classification` and `clustering` are an error in Elasticsearch's words."""
    assert refused(lambda: ready.infer(inference_id, "x", input_type=input_type)) == (
        400,
        SETTINGS,
        f"Validation Failed: 1: Invalid input_type [{input_type}]."
        " The input_type option is not supported by this service;",
    )


def test_a_completion_takes_one_input(ready: World) -> None:
    """Two inputs for a completion are refused before anything is asked."""
    assert refused(lambda: ready.infer("c", "x", "y")) == (400, STATUS, "OpenAI chat completions only accepts 1 input")
    assert ready.provider.calls == []


def test_the_task_type_of_the_path_must_be_the_endpoints(ready: World) -> None:
    """Asking an endpoint for another task is refused in Elasticsearch's words."""
    act = ready.inferring("e", InferenceRequest(("x",)), COMPLETION)
    assert refused(lambda: ready.run(act)) == (
        400,
        STATUS,
        "Incompatible task_type, the requested type [completion] does not match the model type [text_embedding]",
    )


def test_nobody_without_privileges_gets_anywhere(ready: World) -> None:
    """A caller without the privilege is refused before the endpoint is looked up."""
    status, name, reason = refused(lambda: ready.infer("none", "x", caller=Caller("eve", frozenset())))
    assert (status, name) == (403, "security_exception")
    assert "API key id [eve]" in reason
    monitor = Caller("bob", frozenset({"monitor_inference"}))
    ready.infer("e", "x", caller=monitor)
    status, _, reason = refused(lambda: ready.run(ready.engine.lifecycle.delete(monitor, "e")))
    assert (status, "manage_inference" in reason) == (403, True)


# Time


@pytest.mark.parametrize("act", ["infer", "stream"])
def test_a_request_that_takes_too_long_is_a_408(make_world: MakeWorld, act: str) -> None:
    """The timeout is said as it was given, and what was open is closed."""
    world = make_world(lambda _: Arrived(200, [HANG]), validate=False)
    world.create("c", COMPLETION, openai())
    if act == "infer":
        found = refused(lambda: world.infer("c", "x", timeout=0.03))
    else:
        found = told(world.stream("c", timeout=0.03)[-1])
    assert found == (408, "timeout_exception", "Request timed out after [30ms] for inference id [c]")
    assert all(each.closed for each in world.provider.arrived)


def test_a_queue_that_is_too_long_is_refused_at_once(make_world: MakeWorld) -> None:
    """Nobody waits for a turn that comes after its deadline: 429, and when to come again."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai({"rate_limit": {"requests_per_minute": 1}}))

    async def both() -> list[Any]:
        first = asyncio.ensure_future(world.inferring("e", InferenceRequest(("x",))))
        await settle()
        return await asyncio.gather(first, world.inferring("e", InferenceRequest(("y",))), return_exceptions=True)

    _, second = world.run(both())
    assert (second.kind, second.whose_limit) == (Kind.RATE_LIMITED, "ours")
    assert told(second)[:2] == (429, "es_rejected_execution_exception")
    assert second.retry_after == pytest.approx(30, abs=0.2)


def test_endpoints_of_one_account_share_a_queue(make_world: MakeWorld) -> None:
    """Same key, model, address and limit: one queue. Another limit: another queue."""
    world = make_world(validate=False)
    slow = {"rate_limit": {"requests_per_minute": 7}}
    groups = [
        world.create(name, EMBEDDING, openai(settings)).group
        for name, settings in (("a", {}), ("b", {"dimensions": 3}), ("c", slow), ("d", {"api_key": "other"}))
    ]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    assert not any(SECRET in group for group in groups)


# What providers answer


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, {"error": {"message": "bad"}}, (400, "Received a bad request status code", "bad")),
        (401, {"error": {"message": "key"}}, (401, "Received an authentication error status code", "key")),
        (403, {}, (403, "Received an unsuccessful status code", None)),
        (404, {}, (404, "Resource not found at [https://api.openai.com/v1/embeddings]", None)),
        (413, {}, (413, "Received a content too large status code", None)),
        (422, {}, (422, "Received an input validation error response", None)),
        (301, {}, (301, "Unhandled redirection", None)),
        (418, {}, (418, "Received an unsuccessful status code", None)),
        (500, {"error": {"message": "oops"}}, (400, "Received a server error status code", "oops")),
        (502, {}, (400, "Received a server error status code", None)),
        (503, {}, (400, "Received a server busy error status code", None)),
    ],
)  # fmt: skip
def test_a_provider_that_refuses_is_quoted(
    ready: World, status: int, said: Any, expected: tuple[int, str, str | None]
) -> None:
    """Statuses below 500 are mirrored, others are a 400; the provider's words are in the reason."""
    ready.provider.answer = lambda _: json_reply(said, status) if said else Reply(status, b"<html>no</html>")
    mirrored, phrase, words = expected
    reason = f"{phrase} for request from inference entity id [e] status [{status}]"
    assert refused(lambda: ready.infer("e", "x")) == (
        mirrored,
        STATUS,
        reason if words is None else f"{reason}. Error message: [{words}]",
    )


def test_a_rate_limit_of_the_provider_says_its_counters(ready: World) -> None:
    """OpenAI's counters are in the reason, `unknown` where they are missing; when to come again is told."""
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0", "retry-after": "9999"}
    ready.provider.answer = lambda _: Reply(429, b"", headers)
    with pytest.raises(InferenceError) as caught:
        ready.infer("e", "x")
    assert told(caught.value)[2] == (
        "Received a rate limit status code. Token limit [unknown], remaining tokens [unknown]."
        " Request limit [60], remaining requests [0] for request from inference entity id [e] status [429]"
    )
    assert (caught.value.retry_after, caught.value.whose_limit) == (9999, "provider")


def test_our_keys_are_never_quoted(ready: World) -> None:
    """A provider that quotes the key it refuses, wherever it does, is quoted without it."""
    error = {"message": f"bad {SECRET}", "type": SECRET, "code": SECRET, "param": SECRET}
    ready.provider.answer = lambda _: json_reply({"error": error}, 401)
    with pytest.raises(InferenceError) as caught:
        ready.infer("e", "x")
    assert SECRET not in repr(caught.value) + str(vars(caught.value)) + str(told(caught.value))


def test_a_reply_that_cannot_be_read_says_whose_it_was(ready: World) -> None:
    """A broken answer of 200 is a 400 that names the call, and is not asked for again."""
    ready.provider.answer = lambda _: Reply(200, b"<html>")
    status, name, reason = refused(lambda: ready.infer("e", "x"))
    assert (status, name) == (400, STATUS)
    assert reason.startswith(
        "Failed to send OpenAI embeddings request. Cause: Failed to read the OpenAI embeddings response:"
    )
    assert len(ready.provider.calls) == 1


def test_a_provider_that_loses_an_input_is_not_believed(ready: World) -> None:
    """Fewer vectors than inputs are an error, never a shorter answer."""
    ready.provider.answer = lambda _: json_reply({"data": [{"embedding": [1]}]})
    assert "answered [1] embeddings for [2] inputs" in refused(lambda: ready.infer("e", "x", "y"))[2]


# Streams


def test_deltas_come_as_they_come(ready: World) -> None:
    """Text is handed on piece by piece, then the end."""
    pieces = [chunk("a") + chunk("b")[:9], chunk("b")[9:], chunk(reason="stop") + DONE]
    ready.provider.answer = lambda _: Arrived(200, pieces)
    assert ready.stream("c") == [Started("1", "m"), Text("a"), Text("b"), Finished(0, "stop")]
    assert ready.provider.arrived[0].closed
    assert body(ready.provider.calls[0])["stream"] is True


def test_an_error_before_the_first_delta_has_its_status(ready: World) -> None:
    """A stream that is refused is the refusal, as if it had not been a stream."""
    ready.provider.answer = lambda _: json_reply({"error": {"message": "no"}}, 401)
    [error] = ready.stream("c")
    assert told(error)[0] == 401
    assert all(each.closed for each in ready.provider.arrived)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([chunk("a")], Kind.CUT_OFF),
        ([chunk("a"), InferenceError(Kind.CUT_OFF, "gone")], Kind.CUT_OFF),
        ([chunk("a"), b'data: {"error":{"message":"overloaded"}}\n\n', chunk("b")], Kind.INTERNAL),
        ([chunk("a"), b"data: <html>\n\n"], Kind.UNREADABLE),
        ([chunk("a") + b"data: null\n\n"], Kind.UNREADABLE),
    ],
)
def test_an_error_after_the_first_delta_comes_after_it(ready: World, pieces: list[Any], kind: Kind) -> None:
    """What came before a fault is handed on before it, and the connection is closed."""
    ready.provider.answer = lambda _: Arrived(200, pieces)
    *deltas, error = ready.stream("c")
    assert deltas == [Started("1", "m"), Text("a")]
    assert error.kind is kind
    assert kind is not Kind.INTERNAL or error.upstream.message == "overloaded"
    assert ready.provider.arrived[0].closed


def test_a_stream_without_a_reader_is_refused(ready: World) -> None:
    """A task that does not stream says so, and which of its service do."""
    assert told(ready.stream("e")[0]) == (
        405,
        STATUS,
        "Streaming is not allowed for service [openai] and task [text_embedding]."
        " Supported tasks: [completion,chat_completion]",
    )
    ready.create("l", EMBEDDING, elasticsearch())
    assert told(ready.stream("l")[0])[2] == "Streaming is not allowed for service [elasticsearch]."


def test_who_leaves_a_stream_closes_it(ready: World) -> None:
    """A caller that stops reading, before or after the first delta, closes the provider's connection."""
    for pieces in ([HANG], [chunk("a"), HANG]):
        ready.provider.answer = lambda _, pieces=pieces: Arrived(200, pieces)

        async def leave() -> None:
            async def read() -> None:
                async for _ in ready.streaming("c", InferenceRequest(("x",))):
                    pass

            task = asyncio.ensure_future(read())
            await ready.clock.advance(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(leave())
        assert ready.provider.arrived[-1].closed
    assert asyncio.run(calls_waiting(ready.limiter)) == 0
