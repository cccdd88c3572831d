"""Amazon Bedrock's Converse and ConverseStream, with a model of Anthropic's behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from frames import event
from script import CACHED, READ, SIGNATURE, WRITTEN, Answer, ToolCall, Turn, fault

STREAM = "application/vnd.amazon.eventstream"
USAGE = {
    "inputTokens": READ - CACHED,
    "outputTokens": WRITTEN,
    "totalTokens": READ + WRITTEN,
    "cacheReadInputTokens": CACHED,
    "cacheWriteInputTokens": 0,
}


def read(body: Mapping[str, Any]) -> Turn:
    """What is asked, but for the model and whether to stream, which its path says."""
    blocks = [(turn["role"], block) for turn in body["messages"] for block in turn["content"]]
    tools = body.get("toolConfig", {}).get("tools", [])
    parts = {"system": body.get("system", []), "tools": tools, "messages": [block for _, block in blocks]}
    thoughts = [b["reasoningContent"].get("reasoningText", {}) for b in parts["messages"] if "reasoningContent" in b]
    thinking = body.get("additionalModelRequestFields", {}).get("thinking", {}).get("type", "disabled")
    returned = tuple((thought.get("text"), thought.get("signature")) for thought in thoughts)
    before = [turn["content"][0] for turn in body["messages"] if turn["role"] == "assistant"]
    return Turn(
        model="",
        words="\n".join(block["text"] for role, block in blocks if role == "user" and "text" in block),
        tools=frozenset(tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool),
        results=tuple(_text(block["toolResult"]["content"]) for _, block in blocks if "toolResult" in block),
        thinks=thinking != "disabled",
        streams=False,
        cached=frozenset(name for name, hinted in parts.items() if any("cachePoint" in block for block in hinted)),
        returned=returned,
        fault=fault(returned, thinking == "enabled" and any("toolUse" in block for block in before[-1:])),
    )


def refused(message: str) -> dict[str, Any]:
    """An error of the request."""
    return {"message": f"The model returned the following errors: {message}"}


def whole(answer: Answer) -> dict[str, Any]:
    """The answer as one object."""
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        thought = {"text": answer.thinking, "signature": SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if isinstance(answer.content, ToolCall):
        call = answer.content
        blocks.append({"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}})
    else:
        blocks.append({"text": answer.content})
    message = {"role": "assistant", "content": blocks}
    return {"output": {"message": message}, "stopReason": _reason(answer), "usage": USAGE, "metrics": {"latencyMs": 1}}


def stream(answer: Answer) -> Iterator[bytes]:
    """The answer in pieces."""
    yield event("messageStart", {"role": "assistant"})
    at = 0
    if answer.thinking:
        pieces = [{"text": answer.thinking[:7]}, {"text": answer.thinking[7:]}, {"signature": SIGNATURE}]
        yield from _block(at, [{"reasoningContent": piece} for piece in pieces])
        at += 1
    if isinstance(answer.content, ToolCall):
        begin = {"toolUse": {"toolUseId": answer.content.id, "name": answer.content.name}}
        yield event("contentBlockStart", {"contentBlockIndex": at, "start": begin})
        yield from _block(at, [{"toolUse": {"input": piece}} for piece in answer.content.pieces])
    else:
        yield from _block(at, [{"text": piece} for piece in (answer.content[:7], answer.content[7:])])
    yield event("messageStop", {"stopReason": _reason(answer)})
    yield event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def _block(at: int, deltas: list[dict[str, Any]]) -> Iterator[bytes]:
    for delta in deltas:
        yield event("contentBlockDelta", {"contentBlockIndex": at, "delta": delta})
    yield event("contentBlockStop", {"contentBlockIndex": at})


def _reason(answer: Answer) -> str:
    return "tool_use" if isinstance(answer.content, ToolCall) else "end_turn"


def _text(content: list[dict[str, Any]]) -> str:
    return "\n".join(block.get("text") or json.dumps(block.get("json")) for block in content)
