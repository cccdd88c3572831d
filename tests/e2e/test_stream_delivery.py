"""Event streams: what arrives, when it arrives, and how they end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from emulated_provider import END, Asked, Provider, chunk
from raw_http import Answered, ask, begin_on, connection, events
from real_processes import Aimock, Inferpoint

STORY = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily."


def streamed(server: Inferpoint, inference_id: str, text: str) -> Answered:
    return ask(server.url, "POST", f"/_inference/completion/{inference_id}/_stream", {"input": text})


def deltas(answered: Answered) -> list[str]:
    """The pieces of text, from the events that hold them."""
    found = (json.loads(data) for name, data in answered.events if name == "message" and data != "[DONE]")
    return [piece["delta"] for event in found for piece in event["completion"]]


def test_a_whole_answer_arrives_in_pieces_and_ends_with_done(server: Inferpoint, completion: str) -> None:
    """Every piece of OpenAI's stream is an event of Elasticsearch's, and the last event says that it is whole."""
    answered = streamed(server, completion, "tell a story")
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/event-stream"
    assert answered.headers["x-elastic-product"] == "Elasticsearch"
    assert len(deltas(answered)) > 5
    assert "".join(deltas(answered)) == STORY
    assert answered.events[-1] == ("message", "[DONE]")


def test_the_task_type_need_not_be_said(server: Inferpoint, completion: str) -> None:
    """The route without a task type streams as the stored endpoint's task does."""
    answered = ask(server.url, "POST", f"/_inference/{completion}/_stream", {"input": "tell a story"})
    assert "".join(deltas(answered)) == STORY


def test_an_event_stream_is_answered_whatever_is_accepted(server: Inferpoint, completion: str) -> None:
    """JavaScript's client asks for JSON on this route too, and for gzip: it gets a plain event stream."""
    accept = "application/vnd.elasticsearch+json; compatible-with=9,text/plain"
    headers = {"Accept": accept, "Accept-Encoding": "gzip,deflate"}
    answered = ask(server.url, "POST", f"/_inference/completion/{completion}/_stream", {"input": "how big"}, headers)
    assert answered.headers["content-type"] == "text/event-stream"
    assert "content-encoding" not in answered.headers
    assert "".join(deltas(answered)) == "Very big."


def test_an_error_before_the_first_piece_has_its_status(server: Inferpoint, completion: str) -> None:
    """What the provider refuses at once is answered with its status and one error event, and no more."""
    answered = streamed(server, completion, "wrong key")
    assert answered.status == 401
    assert answered.headers["content-type"] == "text/event-stream"
    ((name, data),) = answered.events
    assert name == "error"
    assert json.loads(data)["status"] == 401
    assert "Incorrect API key provided" in json.loads(data)["error"]["reason"]


@pytest.mark.parametrize("way", ["stop early", "hang up"])
def test_a_stream_that_breaks_off_says_so(server: Inferpoint, completion: str, way: str) -> None:
    """Pieces that came before aimock breaks off are handed on, then comes an error, and never `[DONE]`."""
    answered = streamed(server, completion, way)
    assert answered.status == 200
    assert deltas(answered)
    name, data = answered.events[-1]
    assert name == "error"
    assert json.loads(data)["error"]["type"] == "status_exception"
    assert "OpenAI chat completions" in json.loads(data)["error"]["reason"]
    assert "[DONE]" not in [data for _, data in answered.events]


def test_each_piece_is_handed_on_as_it_arrives(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str]
) -> None:
    """The first piece reaches the caller while the provider still keeps the second to itself."""
    read = threading.Event()

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first"))
        if read.wait(60):
            asked.send(chunk("second") + END)

    inference_id = completion_on(provider(act))
    path = f"/_inference/completion/{inference_id}/_stream"
    with closing(connection(server.url)) as line, begin_on(line, "POST", path, {"input": "x"}) as response:
        arriving = events(iter(response))
        assert next(arriving) == ("message", '{"completion":[{"delta":"first"}]}')
        read.set()
        assert next(arriving) == ("message", '{"completion":[{"delta":"second"}]}')
        assert next(arriving) == ("message", "[DONE]")
        assert not list(arriving)


def test_an_error_event_of_the_provider_ends_the_stream(
    server: Inferpoint, provider: Callable[..., Provider], completion_on: Callable[..., str]
) -> None:
    """An error that the provider puts into its stream is an error event in ours, with the provider's words."""

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("so far") + b'data: {"error": {"message": "out of luck", "type": "server_error"}}\n\n')

    answered = streamed(server, completion_on(provider(act)), "x")
    assert deltas(answered) == ["so far"]
    name, data = answered.events[-1]
    assert name == "error"
    assert "out of luck" in json.loads(data)["error"]["reason"]


def test_a_service_that_cannot_stream_says_so(server: Inferpoint, inference_id: str, embedder: Provider) -> None:
    """Streaming embeddings is refused with 405 and one error event, in Elasticsearch's words."""
    settings = {"api_key": "hf", "url": embedder.url}
    made = {"service": "hugging_face", "service_settings": settings}
    assert ask(server.url, "PUT", f"/_inference/text_embedding/{inference_id}", made).status == 200
    answered = ask(server.url, "POST", f"/_inference/text_embedding/{inference_id}/_stream", {"input": "x"})
    assert answered.status == 405
    ((name, data),) = answered.events
    assert name == "error"
    assert json.loads(data)["error"]["reason"] == (
        "Streaming is not allowed for service [hugging_face] and task [text_embedding]."
        " Supported tasks: [completion,chat_completion]"
    )


def test_aimock_was_asked_as_openai_is(server: Inferpoint, aimock: Aimock, completion: str) -> None:
    """What reaches OpenAI has the model, one message of the user, and asks for usage at the stream's end."""
    text = f"tell a story to {completion}"
    streamed(server, completion, text)
    journal = ask(aimock.url, "GET", "/__aimock/journal?limit=100000").json
    (body,) = [entry["body"] for entry in journal if text in json.dumps(entry["body"])]
    assert body["model"] == "gpt-4o-mini"
    assert body["messages"] == [{"role": "user", "content": text}]
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
