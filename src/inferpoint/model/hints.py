"""Hints: what a request may carry that does not change what is asked, so that who has no place for it leaves it aside.

Their names are those that `x-inferpoint-dropped` tells. What changes the meaning of an answer is no hint.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from inferpoint.model.chat import Conversation, Message, Part, Thought, Tool, ToolUse
from inferpoint.model.requests import InferenceRequest

# Values of hints that say no more than leaving them out.
_SILENT: tuple[Any, ...] = (None, False, {}, "auto", "default")


class Hint(StrEnum):
    """The hints that a conversation itself carries."""

    CACHE = "cache_control"  # on texts, images, files, tool calls, tools and tools' results
    EFFORT = "reasoning_effort"
    THINKING = "thinking"  # that a model is asked to think
    BUDGET = "thinking.budget_tokens"  # with how many tokens at the most
    THOUGHTS = "thoughts"  # those of earlier turns, and what a service put beside its tool calls


def carried(request: InferenceRequest) -> frozenset[str]:
    """The names of all hints in *request*, but for those that say nothing."""
    names = frozenset([name for name, value in request.hints.items() if value not in _SILENT] if request.hints else ())
    return names | set(_in(request.input)) if type(request.input) is Conversation else names


def without(request: InferenceRequest, dropped: frozenset[str]) -> InferenceRequest:
    """*request* without the hints called *dropped*."""
    left = {name: value for name, value in request.hints.items() if name not in dropped}
    if isinstance(request.input, Conversation):
        return replace(request, hints=left, input=_stripped(request.input, dropped))
    return replace(request, hints=left)


def own_thoughts(request: InferenceRequest, service: str) -> InferenceRequest:
    """*request* without the thoughts that only another service than *service* can read; itself where it has none."""
    conversation = request.input
    if type(conversation) is not Conversation:
        return request
    foreign = [
        part
        for message in conversation.messages
        for part in message.parts
        if type(part) is Thought and part.origin not in ("", service)
    ]
    if not foreign:
        return request
    messages = tuple(
        replace(message, parts=tuple(part for part in message.parts if part not in foreign))
        for message in conversation.messages
    )
    return replace(request, input=replace(conversation, messages=messages))


def _in(conversation: Conversation) -> Iterator[str]:
    if conversation.reasoning_effort is not None or conversation.thinking is not None:
        yield from _of_thinking(conversation)
    for tool in conversation.tools:
        yield from tool.hints
        if tool.cache:
            yield Hint.CACHE
    for message in conversation.messages:
        if message.cache:
            yield Hint.CACHE
        for part in message.parts:
            if type(part) is Thought or (type(part) is ToolUse and part.extra):
                yield Hint.THOUGHTS
            if not isinstance(part, Thought) and part.cache:
                yield Hint.CACHE


def _of_thinking(conversation: Conversation) -> Iterator[str]:
    """The hints of how a model is to think."""
    if conversation.reasoning_effort is not None:
        yield Hint.EFFORT
    if conversation.thinking is not None:
        yield Hint.THINKING
        if conversation.thinking.budget is not None:
            yield Hint.BUDGET


def _stripped(conversation: Conversation, dropped: frozenset[str]) -> Conversation:
    if Hint.EFFORT in dropped:
        conversation = replace(conversation, reasoning_effort=None)
    if Hint.THINKING in dropped:
        conversation = replace(conversation, thinking=None)
    elif Hint.BUDGET in dropped and conversation.thinking is not None:
        conversation = replace(conversation, thinking=replace(conversation.thinking, budget=None))
    if Hint.THOUGHTS in dropped:
        conversation = replace(conversation, messages=tuple(map(_thoughtless, conversation.messages)))
    if Hint.CACHE in dropped:
        conversation = replace(conversation, messages=tuple(map(_uncached, conversation.messages)))
    return replace(conversation, tools=tuple(_without(tool, dropped) for tool in conversation.tools))


def _without(tool: Tool, dropped: frozenset[str]) -> Tool:
    hints = {name: value for name, value in tool.hints.items() if name not in dropped}
    return replace(tool, hints=hints, cache=None if Hint.CACHE in dropped else tool.cache)


def _thoughtless(message: Message) -> Message:
    """*message* without thoughts, and without what a service put beside its tool calls."""

    def plain(part: Part) -> Part:
        return replace(part, extra=None) if isinstance(part, ToolUse) and part.extra else part

    return replace(message, parts=tuple(plain(part) for part in message.parts if not isinstance(part, Thought)))


def _uncached(message: Message) -> Message:
    def plain(part: Any) -> Any:
        return part if isinstance(part, Thought) or part.cache is None else replace(part, cache=None)

    return replace(message, parts=tuple(map(plain, message.parts)), cache=None)
