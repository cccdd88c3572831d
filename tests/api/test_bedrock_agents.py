"""Claude Code's loop with Claude on Bedrock: what it sends arrives, and what it hears it can send back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from frames import event
from in_process import Told, post
from world import CHAT, SECRET, Arrived, World, body, json_reply

MakeWorld = Callable[..., World]
BEDROCK = {"access_key": "AKIA", "secret_key": SECRET, "region": "us-east-1", "provider": "anthropic", "model": "m"}
EPHEMERAL = {"type": "ephemeral"}
POINT = {"cachePoint": {"type": "default"}}
TOOL = {"name": "get_time", "input_schema": {"type": "object"}}
ASKED = {
    "model": "aws", "max_tokens": 4000, "stop_sequences": ["END"],
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "system": [{"type": "text", "text": "You are an agent.", "cache_control": EPHEMERAL}],
    "tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "metadata": {"user_id": "u"}, "context_management": {"edits": []},
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Time?", "cache_control": EPHEMERAL}]}],
}  # fmt: skip
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
HIDDEN = {"reasoningContent": {"redactedContent": "AAAA"}}
USE = {"toolUse": {"toolUseId": "t1", "name": "get_time", "input": {"city": "Oslo"}}}
USAGE = {"inputTokens": 3, "outputTokens": 5, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 11}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    made = make_world(validate=False)
    made.create("aws", CHAT, {"service": "amazonbedrock", "service_settings": BEDROCK})
    return made


def messages(world: World, asked: dict[str, Any]) -> Told:
    return post(world, "/v1/messages", asked)


def test_what_claude_code_sends_arrives(world: World) -> None:
    """Marks for the cache, thinking, stop sequences in Converse's form; what has no place there is told."""
    world.provider.answer = lambda _: json_reply({"output": {"message": {"content": []}}, "stopReason": "end_turn"})
    told = messages(world, ASKED)
    assert (told.status, told.headers["x-inferpoint-dropped"]) == (200, "context_management, user")
    sent = body(world.provider.calls[-1])
    assert sent["system"] == [{"text": "You are an agent."}, POINT]
    assert sent["messages"] == [{"role": "user", "content": [{"text": "Time?"}, POINT]}]
    assert sent["toolConfig"]["tools"][-1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert sent["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    assert sent["inferenceConfig"] == {"maxTokens": 4000, "stopSequences": ["END"]}


@pytest.mark.parametrize("stream", [False, True])
def test_what_claude_code_hears_it_can_send_back(world: World, stream: bool) -> None:
    """Thoughts with seals that tell whose they are, a call, the cost of the cache: the next turn has it again."""
    content = [THOUGHT, HIDDEN, USE]
    pieces = [
        event("messageStart", {"role": "assistant"}),
        *(
            event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"reasoningContent": delta}})
            for index, delta in [(0, {"text": "Hm."}), (0, {"signature": "c2ln"}), (1, {"redactedContent": "AAAA"})]
        ),
        event(
            "contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "get_time"}}}
        ),
        event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"city":"Oslo"}'}}}),
        event("messageStop", {"stopReason": "tool_use"}),
        event("metadata", {"usage": USAGE}),
    ]
    reply = {"output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": USAGE}
    world.provider.answer = lambda _: Arrived(200, pieces) if stream else json_reply(reply)
    told = messages(world, {**ASKED, "stream": stream})
    assert told.status == 200
    blocks = assembled(told) if stream else told.json["content"]
    assert blocks == [
        {"type": "thinking", "thinking": "Hm.", "signature": "amazonbedrock:c2ln"},
        {"type": "redacted_thinking", "data": "amazonbedrock:AAAA"},
        {"type": "tool_use", "id": "t1", "name": "get_time", "input": {"city": "Oslo"}},
    ]
    usage = told.events[-2][1]["usage"] if stream else told.json["usage"]
    assert (usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]) == (11, 7)
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "cache_control": EPHEMERAL, "content": [
        {"type": "text", "text": "No clock."},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    ]}  # fmt: skip
    turns = [{"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
    messages(world, {**ASKED, "messages": [*ASKED["messages"], *turns], "stream": stream})
    _, answer, results = body(world.provider.calls[-1])["messages"]
    assert answer["content"] == content
    picture = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    failed = {"toolUseId": "t1", "content": [{"text": "No clock."}, picture], "status": "error"}
    assert results["content"] == [{"toolResult": failed}, POINT]


def assembled(told: Told) -> list[dict[str, Any]]:
    """The blocks of a stream, as Anthropic's clients put them together."""
    blocks: list[dict[str, Any]] = []
    arguments = ""
    for name, data in told.events:
        match name, data:
            case "content_block_start", {"content_block": block}:
                blocks.append(dict(block))
            case "content_block_delta", {"delta": {"type": "input_json_delta", "partial_json": piece}}:
                arguments += piece
            case "content_block_delta", {"delta": {"type": "signature_delta", "signature": seal}}:
                blocks[-1]["signature"] = seal
            case "content_block_delta", {"delta": {"thinking": piece}}:
                blocks[-1]["thinking"] += piece
            case _:
                pass
    blocks[-1]["input"] = json.loads(arguments)
    return blocks
