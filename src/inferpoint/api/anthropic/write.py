"""Whole answers as Anthropic's messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inferpoint.api import sealed_calls
from inferpoint.api.anthropic import thoughts
from inferpoint.errors import InferenceError
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import parse
from inferpoint.model.results import AnswerPart, Choice, Completion, ToolCall, Usage

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


@dataclass(frozen=True)
class Teller:
    """How one request's answer is told: its id where the provider names none, its model, and whose thoughts it has.

    The `model` is the one that was asked for: agents take back the thoughts of no other. With `thinking` the thoughts
    are told that the answer has.
    """

    name: str
    model: str
    service: str
    thinking: bool

    def shell(self, name: str) -> dict[str, Any]:
        """The members of every message."""
        return {"id": name or self.name, "type": "message", "role": "assistant", "model": self.model}


def message(result: Completion, teller: Teller) -> dict[str, Any]:
    """A whole answer."""
    choice = result.choices[0]
    told = [part for part in choice.parts if teller.thinking or not isinstance(part, Thought)]
    return {
        **teller.shell(result.id),
        "content": [_block(part, teller.service) for part in Choice.of(told).parts],
        **ended(choice.reason or "stop", choice.stop_sequence),
        "usage": usage(result.usage),
    }


def _block(part: AnswerPart, service: str) -> Mapping[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case Thought():
            return thoughts.written(part, service)
        case ToolCall():
            return {**begun(part), "input": arguments(part.arguments)}


def begun(call: ToolCall) -> dict[str, Any]:
    """The block of a tool's call whose arguments have not come."""
    call_id = sealed_calls.sealed(call.id or "", call.extra)
    return {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}


def arguments(text: str) -> dict[str, Any]:
    """The arguments of a tool call as an object; an empty one where a model was cut off within them."""
    try:
        return parse(text.encode("utf-8", "surrogatepass"), dict[str, Any], of="arguments of a tool call")
    except InferenceError:
        return {}


def ended(reason: str, stop_sequence: str | None) -> dict[str, Any]:
    """Why an answer ended, from OpenAI's words, and the words that ended it."""
    told = _REASONS.get(reason, "end_turn")
    if stop_sequence is not None and told == "end_turn":
        told = "stop_sequence"
    return {"stop_reason": told, "stop_sequence": stop_sequence}


def usage(used: Usage | None) -> dict[str, int]:
    """`usage`; what was cached is not among the input tokens in Anthropic's count."""
    used = used or Usage()
    fresh = max(0, used.input - used.cached - used.cache_written)
    cached = {"cache_creation_input_tokens": used.cache_written, "cache_read_input_tokens": used.cached}
    told = {name: tokens for name, tokens in cached.items() if tokens}
    return {"input_tokens": fresh, "output_tokens": used.output, **told}
