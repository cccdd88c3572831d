"""What no stand-in covers: Bedrock's embeddings, and errors in the middle of its streams. The provider is emulated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from emulated_provider import Asked, Provider
from frames import GOLDEN, error, event, exception
from raw_http import Answered
from real_processes import Inferpoint

KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "region": "us-east-1"}
LLAMA = {**KEYS, "provider": "meta", "model": "us.meta.llama3-1-8b-instruct-v1:0"}
BEGUN = [GOLDEN, *(event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}}) for t in ("One", " two"))]
END = [
    event("messageStop", {"stopReason": "end_turn"}),
    event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 1}}),
]
INTERRUPTED = "Received an error response for request from inference entity id [ID]"
FAILED = "Failed to send Amazon Bedrock chat completions request. Cause"


@pytest.fixture
def bedrock(
    moved: Callable[..., Inferpoint], provider: Callable[[Callable[[Asked], None]], Provider]
) -> Callable[[Callable[[Asked], None]], tuple[Inferpoint, Provider]]:
    """A function that starts a provider and a server whose Bedrock it is."""

    def start(act: Callable[[Asked], None]) -> tuple[Inferpoint, Provider]:
        running = provider(act)
        return moved(AWS_ENDPOINT_URL_BEDROCK_RUNTIME=running.url), running

    return start


def test_several_texts_to_an_emulated_titan(
    bedrock: Callable[..., tuple[Inferpoint, Provider]], create: Callable[..., str], infer: Callable[..., Answered]
) -> None:
    """One call each, at the same time, in the order of the texts: none is answered before all have come."""
    texts = [f"{n} words" for n in range(4)]
    together = threading.Barrier(len(texts))

    def act(asked: Asked) -> None:
        together.wait(30)
        number = int(asked.json["inputText"].split()[0])
        asked.answer({"embedding": [number, 0.5], "inputTextTokenCount": 2})

    server, provider = bedrock(act)
    settings = {**KEYS, "provider": "amazontitan", "model": "amazon.titan-embed-text-v2:0"}
    inference_id = create(server, "text_embedding", "amazonbedrock", settings, validated=False)
    answered = infer(server, inference_id, texts)
    assert answered.json == {"text_embedding": [{"embedding": [n, 0.5]} for n in range(4)]}
    asked = [provider.next() for _ in texts]
    assert {each.path for each in asked} == {"/model/amazon.titan-embed-text-v2%3A0/invoke"}
    assert all("Signature=" in each.headers["authorization"] for each in asked)


def test_a_hundred_texts_to_an_emulated_cohere(
    bedrock: Callable[..., tuple[Inferpoint, Provider]], create: Callable[..., str], infer: Callable[..., Answered]
) -> None:
    """Two calls; validated when it was made, which is how long its vectors are known."""

    def act(asked: Asked) -> None:
        rows = [[len(text), 0.25] for text in asked.json["texts"]]
        body: Any = {"float": rows} if len(rows) > 50 else rows
        asked.answer({"id": "1", "embeddings": body, "texts": asked.json["texts"]})

    server, provider = bedrock(act)
    settings = {**KEYS, "provider": "COHERE", "model": "cohere.embed-v4:0"}
    inference_id = create(server, "text_embedding", "amazonbedrock", settings)
    provider.next()
    answered = infer(server, inference_id, ["x" * n for n in range(1, 101)], input_type="search")
    assert [row["embedding"] for row in answered.json["text_embedding"]] == [[n, 0.25] for n in range(1, 101)]
    asked = [provider.next().json for _ in range(2)]
    assert sorted(len(each["texts"]) for each in asked) == [4, 96]
    assert {each["input_type"] for each in asked} == {"search_query"}


@pytest.mark.parametrize(
    ("frames", "status", "reason"),
    [
        ([exception("throttlingException", "Slow down"), *END], 429,
         f"{INTERRUPTED}. Error message: [Slow down]"),
        ([exception("modelStreamErrorException", "The model failed")], 424,
         f"{INTERRUPTED}. Error message: [The model failed]"),
        ([error("InternalFailure", "Broke")], 400,
         f"{INTERRUPTED}. Error message: [Broke]"),
        ([END[0][:-1]], 500,
         f"{FAILED}: The event stream ended inside a message"),
        ([], 500,
         f"{FAILED}: The Amazon Bedrock chat completions stream ended before its end"),
        ([END[0][:-1] + b"\xff", END[1]], 400,
         f"{FAILED}: Failed to read the event stream: the checksum of a message does not match"),
    ],
    ids=["throttled", "model", "undeclared", "cut inside", "cut between", "damaged"],
)  # fmt: skip
def test_an_emulated_stream_that_goes_wrong(
    bedrock: Callable[..., tuple[Inferpoint, Provider]],
    create: Callable[..., str],
    infer: Callable[..., Answered],
    frames: list[bytes],
    status: int,
    reason: str,
) -> None:
    """What came before is handed on, then the error, and never `[DONE]`."""

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(b"".join([*BEGUN, *frames]))

    server, provider = bedrock(act)
    inference_id = create(server, "completion", "amazonbedrock", LLAMA, validated=False)
    answered = infer(server, inference_id, "hi", stream=True)
    assert provider.next().path == "/model/us.meta.llama3-1-8b-instruct-v1%3A0/converse-stream"
    *pieces, (name, data) = answered.events
    texts = [piece["delta"] for _, text in pieces for piece in json.loads(text)["completion"]]
    assert texts == ["One", " two"]
    assert name == "error"
    said = json.loads(data)
    assert (said["status"], said["error"]["reason"]) == (status, reason.replace("[ID]", f"[{inference_id}]"))


def test_an_emulated_refusal(
    bedrock: Callable[..., tuple[Inferpoint, Provider]], create: Callable[..., str], infer: Callable[..., Answered]
) -> None:
    """A key that the provider quotes is not told to the caller."""

    def act(asked: Asked) -> None:
        asked.answer({"message": "The key secret-example of AKIDEXAMPLE is wrong"}, 403)

    server, _ = bedrock(act)
    answered = infer(server, create(server, "completion", "amazonbedrock", LLAMA, validated=False), "hi")
    assert answered.status == 403
    assert "The key *** of *** is wrong" in answered.reason
