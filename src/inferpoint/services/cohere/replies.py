"""Whole answers to chats, and what they have in common with streamed ones. https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Upstream
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import AnswerPart, Choice, Completion, Usage
from inferpoint.protocols.readers import Calls, broken, count, members
from inferpoint.protocols.service import NoOptions
from inferpoint.services.cohere.account import Account

COMPLETIONS = "Cohere completion"
FAILED = frozenset({"error", "timeout"})  # why answers end that are none


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str = ""
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    content: list[Any] | str | None = None
    tool_calls: list[_Call] | None = None


class _Answer(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None
    id: str = ""
    finish_reason: str = ""
    usage: Any = None


def decode(reply: Reply, _request: InferenceRequest, _account: Account, _options: NoOptions) -> Completion:
    """The thoughts, words and calls of the answer; the first version had the words at the top."""
    answer = parse(reply.body, _Answer, of=f"{COMPLETIONS} response")
    message = answer.message or _Message(answer.text)
    if answer.finish_reason.lower() in FAILED or (answer.message is None and answer.text is None):
        raise failed(answer.finish_reason)
    calls, parts = Calls(), list[AnswerPart](_parts(message.content))
    for place, call in enumerate(message.tool_calls or ()):
        begun = calls.begin(place, call.id, call.function.name)
        parts.append(replace(begun, arguments=call.function.arguments or "{}"))
    choice = Choice.of(parts, calls.reason(answer.finish_reason))
    return Completion([choice], usage(answer.usage), answer.id)


def _parts(content: list[Any] | str | None) -> Iterator[TextPart | Thought]:
    for part in content if isinstance(content, list) else (content,):
        match part:
            case str(words) | {"text": str(words)}:
                yield TextPart(words)
            case {"thinking": str(words)}:
                yield Thought(words)
            case _:
                pass


def failed(reason: Any) -> InferenceError:
    """The error of an answer that Cohere did not finish."""
    return broken(Upstream(500, f"Cohere stopped the answer due to an error: {reason}"))


def usage(told: Any) -> Usage | None:
    """The tokens that were counted, or else those that are billed."""
    counts = members(members(told).get("tokens")) or members(members(told).get("billed_units"))
    read, wrote = count(counts.get("input_tokens")), count(counts.get("output_tokens"))
    return None if read is None and wrote is None else Usage(read or 0, wrote or 0)
