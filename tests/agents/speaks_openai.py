"""Chat completions of OpenAI's form, with `reasoning_content` as the providers have it that speak this form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from script import CACHED, READ, WRITTEN, Answer, ToolCall, Turn

STREAM = "text/event-stream"
USAGE = {
    "prompt_tokens": READ,
    "completion_tokens": WRITTEN,
    "total_tokens": READ + WRITTEN,
    "prompt_tokens_details": {"cached_tokens": CACHED},
}


def read(body: Mapping[str, Any]) -> Turn:
    """What is asked."""
    turns = body["messages"]
    return Turn(
        model=body["model"],
        words="\n".join(_text(turn["content"]) for turn in turns if turn["role"] == "user"),
        tools=frozenset(tool["function"]["name"] for tool in body.get("tools", [])),
        results=tuple(_text(turn["content"]) for turn in turns if turn["role"] == "tool"),
        thinks=body.get("reasoning_effort", "none") != "none",
        streams=body.get("stream", False),
        cached=frozenset(),
        returned=tuple((turn["reasoning_content"], None) for turn in turns if turn.get("reasoning_content")),
        fault=None,
    )


def refused(message: str) -> dict[str, Any]:
    """An error of the request."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def whole(answer: Answer) -> dict[str, Any]:
    """The answer as one object."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if isinstance(answer.content, ToolCall):
        call = answer.content
        message["tool_calls"] = [_call(call, "".join(call.pieces))]
    else:
        message["content"] = answer.content
    choice = {"index": 0, "message": message, "finish_reason": _reason(answer)}
    about = {"id": f"chatcmpl-{answer.number}", "object": "chat.completion", "created": 1, "model": answer.model}
    return {**about, "choices": [choice], "usage": USAGE}


def stream(answer: Answer) -> Iterator[bytes]:
    """The answer in pieces."""
    about = {"id": f"chatcmpl-{answer.number}", "object": "chat.completion.chunk", "created": 1, "model": answer.model}
    for delta in _deltas(answer):
        yield _data({**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": _reason(answer)}]})
    yield _data({**about, "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    if answer.thinking:
        yield from ({"reasoning_content": piece} for piece in (answer.thinking[:7], answer.thinking[7:]))
    if isinstance(answer.content, ToolCall):
        first, second = answer.content.pieces
        yield {"tool_calls": [{"index": 0, **_call(answer.content, first)}]}
        yield {"tool_calls": [{"index": 0, "function": {"arguments": second}}]}
    else:
        yield from ({"content": piece} for piece in (answer.content[:7], answer.content[7:]))


def _data(chunk: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _call(call: ToolCall, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _reason(answer: Answer) -> str:
    return "tool_calls" if isinstance(answer.content, ToolCall) else "stop"


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content or [])
