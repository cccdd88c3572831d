"""Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from script import CACHED, READ, SIGNATURE, WRITTEN, Answer, ToolCall, Turn, fault

STREAM = "text/event-stream"
USAGE = {"input_tokens": READ - CACHED, "cache_read_input_tokens": CACHED, "cache_creation_input_tokens": 0}


def read(body: Mapping[str, Any]) -> Turn:
    """What is asked."""
    blocks = [(turn["role"], block) for turn in body["messages"] for block in _blocks(turn["content"])]
    parts = {"system": _blocks(body.get("system")), "tools": body.get("tools", []), "messages": [b for _, b in blocks]}
    thinking = body.get("thinking", {}).get("type", "disabled")
    returned = tuple((b["thinking"], b.get("signature")) for b in parts["messages"] if b["type"] == "thinking")
    before = [_blocks(turn["content"])[0]["type"] for turn in body["messages"] if turn["role"] == "assistant"]
    return Turn(
        model=body["model"],
        words="\n".join(block["text"] for role, block in blocks if role == "user" and block["type"] == "text"),
        tools=frozenset(tool["name"] for tool in parts["tools"]),
        results=tuple(_text(block["content"]) for _, block in blocks if block["type"] == "tool_result"),
        thinks=thinking != "disabled",
        streams=body.get("stream", False),
        cached=frozenset(name for name, hinted in parts.items() if any("cache_control" in block for block in hinted)),
        returned=returned,
        fault=fault(returned, before[-1:] == ["tool_use"] and thinking == "enabled"),
    )


def refused(message: str) -> dict[str, Any]:
    """An error of the request."""
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def whole(answer: Answer) -> dict[str, Any]:
    """The answer as one object."""
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE})
    if isinstance(answer.content, ToolCall):
        call = answer.content
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    else:
        blocks.append({"type": "text", "text": answer.content})
    usage = {**USAGE, "output_tokens": WRITTEN}
    return {**_about(answer), "content": blocks, "stop_reason": _reason(answer), "usage": usage}


def stream(answer: Answer) -> Iterator[bytes]:
    """The answer in pieces, with a ping among them."""
    usage = {**USAGE, "output_tokens": 1}
    message = {**_about(answer), "content": [], "stop_reason": None, "usage": usage}
    yield _event("message_start", message=message)
    yield _event("ping")
    at = 0
    if answer.thinking:
        pieces = [{"thinking": answer.thinking[:7]}, {"thinking": answer.thinking[7:]}, {"signature": SIGNATURE}]
        yield from _block(at, {"type": "thinking", "thinking": "", "signature": ""}, pieces)
        at += 1
    if isinstance(answer.content, ToolCall):
        begin = {"type": "tool_use", "id": answer.content.id, "name": answer.content.name, "input": {}}
        yield from _block(at, begin, [{"partial_json": piece} for piece in answer.content.pieces])
    else:
        pieces = [{"text": answer.content[:7]}, {"text": answer.content[7:]}]
        yield from _block(at, {"type": "text", "text": ""}, pieces)
    end = {"stop_reason": _reason(answer), "stop_sequence": None}
    yield _event("message_delta", delta=end, usage={"output_tokens": WRITTEN})
    yield _event("message_stop")


_DELTAS = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "signature": "signature_delta",
    "partial_json": "input_json_delta",
}


def _block(at: int, begin: Mapping[str, Any], pieces: list[dict[str, str]]) -> Iterator[bytes]:
    yield _event("content_block_start", index=at, content_block=begin)
    for piece in pieces:
        yield _event("content_block_delta", index=at, delta={"type": _DELTAS[next(iter(piece))], **piece})
    yield _event("content_block_stop", index=at)


def _event(name: str, **members: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}\n\n".encode()


def _about(answer: Answer) -> dict[str, Any]:
    about = {"id": f"msg_{answer.number}", "type": "message", "role": "assistant"}
    return {**about, "model": answer.model, "stop_sequence": None}


def _reason(answer: Answer) -> str:
    return "tool_use" if isinstance(answer.content, ToolCall) else "end_turn"


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _text(content: Any) -> str:
    return "\n".join(block.get("text", "") for block in _blocks(content))
