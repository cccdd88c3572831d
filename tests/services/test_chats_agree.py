"""One conversation with tools through every service that has such models: the same answers, streamed and not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from conversing import asking, usual_choice, whole
from frames import GOLDEN, event
from msgspec.structs import replace
from played import answered, endpoint, reply, streamed

from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion, ToolCall, Usage
from inferpoint.protocols.openai import completions

TOOLS = [
    {"type": "function", "function": {
        "name": name, "description": f"The {name} of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }}
    for name in ("weather", "time")
]  # fmt: skip


@dataclass(frozen=True)
class Spoken:
    """What a model says in one turn."""

    text: str
    calls: Sequence[tuple[str, str, dict[str, Any]]] = ()

    @property
    def completion(self) -> Completion:
        calls = tuple(
            ToolCall(number, called, name, compact(arguments))
            for number, (called, name, arguments) in enumerate(self.calls)
        )
        return Completion([usual_choice(self.text, calls, "tool_calls" if calls else "stop")], Usage(20, 7))


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# The model asks for two tools at once, then for one more, and then answers.
TURNS = [
    Spoken("I will look.", [("call_1", "weather", {"city": "São Paulo"}), ("call_2", "time", {"city": "Tokyo"})]),
    Spoken("", [("call_3", "time", {})]),
    Spoken("15 degrees, and 9 in the morning."),
]
RESULTS = {"call_1": "15 degrees", "call_2": '{"time": "09:00"}', "call_3": "It is 09:00."}


def pieces(text: str) -> list[str]:
    return [text[place : place + 4] for place in range(0, len(text), 4)]


# --- each provider as its documentation has it: a whole reply, and a stream -------------------------------------------


def openai(said: Spoken) -> tuple[Any, bytes]:
    calls = [
        {"id": called, "type": "function", "function": {"name": name, "arguments": compact(arguments)}}
        for called, name, arguments in said.calls
    ]
    usage = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
    message = {"role": "assistant", "content": said.text or None} | ({"tool_calls": calls} if calls else {})
    reason = "tool_calls" if calls else "stop"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(said.text)]
    for index, call in enumerate(calls):
        begun = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in pieces(call["function"]["arguments"])
        ]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, {"choices": [], "usage": usage}]
    stream = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}, stream


def anthropic(said: Spoken) -> tuple[Any, bytes]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    blocks += [
        {"type": "tool_use", "id": called, "name": name, "input": arguments} for called, name, arguments in said.calls
    ]
    stop = {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}
    message = {"content": blocks, "usage": {"input_tokens": 20, "output_tokens": 7}, **stop}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 20, "output_tokens": 1}}}
    ]
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            begun, fragments = {**block, "text": ""}, [("text_delta", "text", piece) for piece in pieces(said.text)]
        else:
            arguments = compact(block["input"]) if block["input"] else ""
            begun = {**block, "input": {}}
            fragments = [("input_json_delta", "partial_json", piece) for piece in pieces(arguments)]
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}}
            for kind, member, piece in fragments
        ]
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}}, {"type": "message_stop"}]
    stream = b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)
    return message, stream


def amazonbedrock(said: Spoken) -> tuple[Any, bytes]:
    blocks: list[dict[str, Any]] = [{"text": said.text}] if said.text else []
    blocks += [
        {"toolUse": {"toolUseId": called, "name": name, "input": arguments}} for called, name, arguments in said.calls
    ]
    usage = {"inputTokens": 20, "outputTokens": 7, "totalTokens": 27}
    stop = {"stopReason": "tool_use" if said.calls else "end_turn"}
    frames = [GOLDEN]
    for index, block in enumerate(blocks):
        here = {"contentBlockIndex": index}
        if "text" in block:
            frames += [event("contentBlockDelta", {**here, "delta": {"text": piece}}) for piece in pieces(said.text)]
        else:
            use = block["toolUse"]
            begun = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            frames.append(event("contentBlockStart", {**here, "start": begun}))
            frames += [
                event("contentBlockDelta", {**here, "delta": {"toolUse": {"input": piece}}})
                for piece in pieces(compact(use["input"]) if use["input"] else "")
            ]
        frames.append(event("contentBlockStop", here))
    frames += [event("messageStop", stop), event("metadata", {"usage": usage})]
    return {"output": {"message": {"role": "assistant", "content": blocks}}, **stop, "usage": usage}, b"".join(frames)


AWS = {"access_key": "AKIDEXAMPLE", "secret_key": "s", "region": "us-east-1", "provider": "anthropic", "model": "m"}
SERVICES: Mapping[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "openai": (openai, {"api_key": "k", "model_id": "m"}, {}),
    "anthropic": (anthropic, {"api_key": "k", "model_id": "m"}, {"max_tokens": 100}),
    "amazonbedrock": (amazonbedrock, AWS, {}),
    "hugging_face": (openai, {"api_key": "k", "url": "https://a.test/v1/chat/completions", "model_id": "m"}, {}),
}


def asked_and_answered(
    resolved: Resolved, messages: list[Any], provider: Any, said: Spoken, *, stream: bool
) -> Completion:
    """The answer to the next turn, without what each provider has of its own: ids and names of models."""
    stored = resolved.endpoint
    request = asking({"messages": messages, "tools": TOOLS}, stream=stream)
    assert resolved.task.encode(request, stored.settings, stored.options, "https://a.test").body
    body, streaming = provider(said)
    if not stream:
        found = answered(resolved, reply(json.dumps(body, ensure_ascii=False).encode()))
        assert isinstance(found, Completion)
    else:
        deltas, fault = streamed(resolved, [streaming])
        assert fault is None
        found = whole(deltas)
    return replace(found, id="", model="")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", SERVICES)
def test_three_turns_with_tools_are_the_same_through_every_service(name: str, *, stream: bool) -> None:
    """Two tools at once and their results, one more, and the final answer; each told on in OpenAI's words."""
    provider, settings, options = SERVICES[name]
    resolved = endpoint(TaskType.CHAT_COMPLETION, name, settings, options)
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather and time?"}]
    for said in TURNS:
        found = asked_and_answered(resolved, messages, provider, said, stream=stream)
        wanted = said.completion
        assert list(found.choices) == list(wanted.choices)
        assert found.usage == wanted.usage
        messages.append(completions.written(found)["choices"][0]["message"])
        messages += [{"role": "tool", "tool_call_id": each[0], "content": RESULTS[each[0]]} for each in said.calls]
    assert messages == [
        *messages[:2],
        {"role": "assistant", "content": "I will look.", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"São Paulo"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": '{"city":"Tokyo"}'}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
        {"role": "tool", "tool_call_id": "call_2", "content": '{"time": "09:00"}'},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_3", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_3", "content": "It is 09:00."},
        {"role": "assistant", "content": "15 degrees, and 9 in the morning."},
    ]  # fmt: skip
