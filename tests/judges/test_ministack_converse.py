"""ministack is Bedrock's Converse and ConverseStream, with aimock's words."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from raw_http import Answered
from real_processes import Aimock, Inferpoint
from stand_ins import StandIn, journal

STORY = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily."
KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "region": "us-east-1"}
MODELS = {
    "amazontitan": "amazon.titan-text-premier-v1:0",
    "anthropic": "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0",
    "ai21labs": "ai21.jamba-1-5-large-v1:0",
    "cohere": "cohere.command-r-plus-v1:0",
    "meta": "us.meta.llama3-1-8b-instruct-v1:0",
    "mistral": "mistral.mistral-large-2402-v1:0",
}


@pytest.fixture(scope="module")
def server(moved: Callable[..., Inferpoint], ministack: StandIn) -> Inferpoint:
    """A server whose Bedrock is ministack."""
    return moved(AWS_ENDPOINT_URL_BEDROCK_RUNTIME=ministack.url)


@pytest.mark.parametrize("provider", sorted(MODELS))
def test_a_completion_whole_and_streamed(
    server: Inferpoint,
    create: Callable[..., str],
    infer: Callable[..., Answered],
    provider: str,
) -> None:
    """Every provider, made with a real validation call; the same text both ways."""
    settings = {**KEYS, "provider": provider, "model": MODELS[provider]}
    inference_id = create(server, "completion", "amazonbedrock", settings)
    assert infer(server, inference_id, "tell a story").json == {"completion": [{"result": STORY}]}
    streamed = infer(server, inference_id, "tell a story", stream=True)
    assert streamed.events[-1] == ("message", "[DONE]")
    texts = [json.loads(data)["completion"] for _, data in streamed.events[:-1]]
    assert "".join(piece["delta"] for pieces in texts for piece in pieces) == STORY


def test_options_reach_the_model(
    server: Inferpoint, aimock: Aimock, create: Callable[..., str], infer: Callable[..., Answered]
) -> None:
    """Those of the endpoint, and those of a request before them."""
    settings = {**KEYS, "provider": "mistral", "model": MODELS["mistral"]}
    inference_id = create(server, "completion", "amazonbedrock", settings, {"max_new_tokens": 17, "temperature": 0.5})
    infer(server, inference_id, "tell a story")
    asked = journal(aimock)[-1]["body"]
    assert (asked["max_tokens"], asked["temperature"]) == (17, 0.5)
    infer(server, inference_id, "tell a story", task_settings={"temperature": 0.25, "top_p": 0.75})
    asked = journal(aimock)[-1]["body"]
    assert (asked["max_tokens"], asked["temperature"], asked["top_p"]) == (17, 0.25, 0.75)
