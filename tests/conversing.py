"""Conversations for tests, in OpenAI's form, and the end of a stream of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from inferpoint.model.inference import (
    Choice,
    Completion,
    Delta,
    Finished,
    InferenceRequest,
    Reasoning,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)
from inferpoint.protocols.openai import messages

OURS = ("model", "temperature", "top_p", "reasoning_effort")
READ = ("messages", "tools", "tool_choice", "stop", "max_completion_tokens")


def asking(body: Mapping[str, Any], *, stream: bool = False) -> InferenceRequest:
    """The request that a body of OpenAI's is; what has no place of ours is in its params."""
    talk = messages.read(body["messages"], body.get("tools"), body.get("tool_choice"))
    talk = replace(
        talk,
        stop=tuple(body.get("stop", ())),
        max_tokens=body.get("max_completion_tokens"),
        **{name: body[name] for name in OURS if name in body},
    )
    params = {name: value for name, value in body.items() if name not in OURS + READ}
    return InferenceRequest(talk, params=params, stream=stream)


def whole(deltas: Sequence[Delta]) -> Completion:
    """What a stream said, as one answer: how a client puts its pieces together."""
    begun, text, thought, reason = Started("", ""), "", "", None
    usage: Usage | None = None
    calls: dict[int, ToolCall] = {}
    for delta in deltas:
        match delta:
            case Started():
                begun = delta
            case Text(more):
                text += more
            case Reasoning(more):
                thought += more
            case ToolCall(ordinal):
                before = calls.get(ordinal, ToolCall(ordinal))
                arguments = before.arguments + delta.arguments
                calls[ordinal] = ToolCall(ordinal, before.id or delta.id, before.name or delta.name, arguments)
            case Finished(_, reason):
                pass
            case Used(usage):
                pass
    assert list(calls) == sorted(calls)
    return Completion([Choice(text, tuple(calls.values()), reason, thought)], usage, begun.id, begun.model)
