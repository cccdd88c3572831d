"""Every (service, provider, task) of two of the pages, from its creation to its end, through the whole engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frames import GOLDEN, event
from world import COMPLETION, EMBEDDING, Arrived, World, json_reply

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, InputType
from inferpoint.model.results import Completion, Embeddings, Finished, Text

KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "region": "us-east-1"}
PROVIDERS = ("amazontitan", "anthropic", "ai21labs", "cohere", "meta", "mistral")
TRIPLES = [
    ("anthropic", "", COMPLETION),
    *(("amazonbedrock", provider, COMPLETION) for provider in PROVIDERS),
    *(("amazonbedrock", provider, EMBEDDING) for provider in ("amazontitan", "cohere")),
]
SSE = "event: {}\ndata: {}\n\n"


def answer(call: Call) -> Reply | Arrived:
    """What the providers answer, by what is called of them."""
    said = json.loads(call.body)
    match call.url.rpartition("/")[2]:
        case "messages" if said.get("stream"):
            events: list[dict[str, Any]] = [
                {"type": "message_start", "message": {"id": "1", "model": "m", "content": []}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
                {"type": "message_stop"},
            ]
            return Arrived(200, [SSE.format(each["type"], json.dumps(each)).encode() for each in events])
        case "messages":
            return json_reply({"content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"})
        case "converse":
            return json_reply({"output": {"message": {"content": [{"text": "Hello"}]}}, "stopReason": "end_turn"})
        case "converse-stream":
            piece = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}})
            return Arrived(200, [GOLDEN, piece, event("messageStop", {"stopReason": "end_turn"})])
        case _ if "texts" in said:
            return json_reply({"embeddings": [[len(text), 1] for text in said["texts"]]})
        case _:
            return json_reply({"embedding": [len(said["inputText"]), 1], "inputTextTokenCount": 1})


def configured(service: str, provider: str) -> dict[str, Any]:
    """A configuration as the page writes it; the provider in the case that Elasticsearch shows."""
    if service == "anthropic":
        settings = {"api_key": "secret-example", "model_id": "claude-sonnet-4-5"}
        return {"service": service, "service_settings": settings, "task_settings": {"max_tokens": 1024}}
    return {"service": service, "service_settings": {**KEYS, "provider": provider.upper(), "model": "m:0"}}


def asked(world: World) -> Any:
    """The body of the last call."""
    return json.loads(world.provider.calls[-1].body)


@pytest.mark.parametrize(("service", "provider", "kind"), TRIPLES)
def test_a_whole_life(
    make_world: Callable[..., World], data: Path, service: str, provider: str, kind: TaskType
) -> None:
    """Made with a real call, shown, asked, changed, asked again after a restart, deleted, and made again."""
    world = make_world(answer, folder=data)
    created = world.create("e", kind, configured(service, provider)).shown()
    assert len(world.provider.calls) == 1
    assert created["service_settings"].get("provider", "") == provider
    assert "secret-example" not in str(created)
    if kind is EMBEDDING:
        embeds(world)
    else:
        completes(world, service)
    key = "api_key" if service == "anthropic" else "secret_key"
    world.update("e", {"service_settings": {key: "another", "rate_limit": {"requests_per_minute": 9}}})
    shown = world.get("e")
    assert shown["service_settings"]["rate_limit"] == {"requests_per_minute": 9}
    world = make_world(answer, folder=data)
    world.run(world.endpoints.load())
    assert world.get("e") == shown
    world.infer("e", "hi")
    if service == "anthropic":
        assert world.provider.calls[-1].headers["x-api-key"] == "another"
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    with pytest.raises(InferenceError, match="not found"):
        world.infer("e", "hi")
    assert world.create("e", kind, configured(service, provider)).shown() == created


def embeds(world: World) -> None:
    """In order, whatever the vectors are for."""
    for input_type in (None, InputType.SEARCH, InputType.INGEST):
        result = world.infer("e", "a", "bb", "ccc", input_type=input_type)
        assert isinstance(result, Embeddings)
        assert [json.loads(bytes(vector)) for vector in result.vectors] == [[1, 1], [2, 1], [3, 1]]
    assert world.get("e")["service_settings"]["dimensions"] == 2
    assert world.get("e")["service_settings"]["similarity"] == "cosine"


def completes(world: World, service: str) -> None:
    """Whole and in pieces; with the options of the request before those of the endpoint, for this request only."""
    result = world.infer("e", "hi")
    assert isinstance(result, Completion)
    assert [choice.text for choice in result.choices] == ["Hello"]
    deltas = world.stream("e")
    assert [delta for delta in deltas if isinstance(delta, Text)] == [Text("Hello")]
    assert deltas[-1] == Finished(0, "stop")
    world.infer("e", "hi", options={"temperature": 0.5})
    whole = asked(world)
    assert (whole if service == "anthropic" else whole["inferenceConfig"])["temperature"] == 0.5
    world.infer("e", "hi")
    assert "temperature" not in str(asked(world))
