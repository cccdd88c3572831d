"""aimock and mock-ai-api are Anthropic."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from raw_http import Answered
from real_processes import Aimock, Inferpoint
from stand_ins import StandIn, journal

STORY = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily."
CLAUDE = "claude-sonnet-4-20250514"


@pytest.fixture(scope="module")
def server(moved: Callable[..., Inferpoint], aimock: Aimock) -> Inferpoint:
    """A server whose Anthropic is aimock."""
    return moved(ANTHROPIC_BASE_URL=aimock.url)


@pytest.fixture
def on_aimock(server: Inferpoint, create: Callable[..., str]) -> str:
    """A completion endpoint on aimock, made with a real validation call."""
    settings = {"api_key": "sk-ant-example", "model_id": CLAUDE}
    return create(server, "completion", "anthropic", settings, {"max_tokens": 64})


def said(answered: Answered) -> str:
    """The text of a stream, without its last event."""
    pieces = [json.loads(data)["completion"] for _, data in answered.events[:-1]]
    return "".join(piece["delta"] for group in pieces for piece in group)


def test_a_message(server: Inferpoint, aimock: Aimock, on_aimock: str, infer: Callable[..., Answered]) -> None:
    """Its request has the headers of the API, and nothing that nobody set."""
    assert infer(server, on_aimock, "tell a story").json == {"completion": [{"result": STORY}]}
    entry = journal(aimock)[-1]
    assert entry["path"] == "/v1/messages"
    assert entry["headers"]["anthropic-version"] == "2023-06-01"
    assert "x-api-key" in entry["headers"]
    assert not {"temperature", "top_p", "top_k"} & entry["body"].keys()


def test_a_stream(server: Inferpoint, on_aimock: str, infer: Callable[..., Answered]) -> None:
    """In pieces, to its end."""
    answered = infer(server, on_aimock, "tell a story", stream=True)
    assert len(answered.events) > 5
    assert said(answered) == STORY
    assert answered.events[-1] == ("message", "[DONE]")


@pytest.mark.parametrize(("way", "some"), [("stop early", ""), ("hang up", "This")])
def test_a_stream_that_breaks_off(
    server: Inferpoint, on_aimock: str, infer: Callable[..., Answered], way: str, some: str
) -> None:
    """Before its first text or after it: what came is handed on, then an error, and never `[DONE]`."""
    answered = infer(server, on_aimock, way, stream=True)
    assert said(answered).startswith(some)
    name, data = answered.events[-1]
    assert name == "error"
    assert "Failed to send Anthropic chat completions request" in json.loads(data)["error"]["reason"]


def test_a_refusal(server: Inferpoint, on_aimock: str, infer: Callable[..., Answered]) -> None:
    """Its status and its words."""
    answered = infer(server, on_aimock, "wrong key")
    assert answered.status == 401
    assert "Received an authentication error status code" in answered.reason
    assert "Incorrect API key provided" in answered.reason


@pytest.fixture
def on_mock_ai_api(server: Inferpoint, mock_ai_api: StandIn, create: Callable[..., str]) -> Callable[[str], str]:
    """A function that makes an endpoint of a scenario, by the setting `url`."""

    def make(scenario: str) -> str:
        settings = {
            "api_key": "sk-ant-example",
            "model_id": f"{CLAUDE}:{scenario}",
            "url": f"{mock_ai_api.url}/v1/messages",
        }
        return create(server, "completion", "anthropic", settings, {"max_tokens": 64}, validated=False)

    return make


def test_pings(server: Inferpoint, on_mock_ai_api: Callable[[str], str], infer: Callable[..., Answered]) -> None:
    """mock-ai-api opens its stream with one."""
    answered = infer(server, on_mock_ai_api("mock-anthropic-stream"), "hi", stream=True)
    assert answered.status == 200
    assert said(answered)
    assert answered.events[-1] == ("message", "[DONE]")


def test_an_error_event(
    server: Inferpoint, on_mock_ai_api: Callable[[str], str], infer: Callable[..., Answered]
) -> None:
    """In a stream that began with 200; the words are the provider's own."""
    answered = infer(server, on_mock_ai_api("mock-stream-error"), "hi", stream=True)
    ((name, data),) = answered.events
    assert name == "error"
    reason = json.loads(data)["error"]["reason"]
    assert reason.startswith("Received an error response for request from inference entity id")
    assert reason.endswith("Error message: [Mock streaming failure]")
