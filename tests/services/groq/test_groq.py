"""What Groq answers beyond OpenAI's format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from played import endpoint, streamed

from inferpoint.errors import Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Finished, Started, Text, Used

CHAT = endpoint(TaskType.CHAT_COMPLETION, "groq", {"api_key": "k", "model_id": "m"})
CHUNK: dict[str, Any] = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}


def sent(*chunks: Any) -> list[bytes]:
    return [*(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks), b"data: [DONE]\n\n"]


def test_a_stream_that_groq_stops_early_is_an_error() -> None:
    """The error in `x_groq` ends a stream, even where Groq then ends it in the usual way."""
    deltas, error = streamed(
        CHAT, sent(CHUNK, {**CHUNK, "choices": [], "x_groq": {"id": "r", "error": "over capacity"}})
    )
    assert deltas == [Started("c", "m"), Text("Hi")]
    assert error is not None
    assert error.kind is Kind.INTERNAL
    assert error.upstream is not None
    assert error.upstream.message == "over capacity"


@pytest.mark.parametrize(
    "extension",
    [{"id": "r"}, {"id": "r", "error": None}, {"usage": {"error": "x"}}, {"error": 5}, {}, None, "error", ["error"]],
)
def test_what_else_groq_says_of_itself_says_nothing(extension: Any) -> None:
    """A stream with anything else in `x_groq` is read to its end."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    last = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    deltas, error = streamed(CHAT, sent({**CHUNK, "x_groq": extension}, {**last, "x_groq": extension}))
    assert error is None
    assert [type(delta) for delta in deltas] == [Started, Text, Finished, Used]
