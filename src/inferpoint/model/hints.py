"""Hints: what a request may carry that does not change what is asked, so that who has no place for it leaves it aside.

Their names are those that `x-inferpoint-dropped` tells. What changes the meaning of an answer is no hint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Any

from inferpoint.model.chat import Conversation, Message, Part, Thought, ToolUse
from inferpoint.model.requests import InferenceRequest


class Hint(StrEnum):
    """The hints that a conversation itself carries."""

    CACHE = "cache_control"  # on texts, images, files, tool calls, tools and tools' results
    EFFORT = "reasoning_effort"
    THINKING = "thinking"  # that a model is asked to think
    THOUGHTS = "thoughts"  # those of earlier turns, and what a service put beside its tool calls


def carried(request: InferenceRequest) -> frozenset[str]:
    """The names of all hints in *request*."""
    names = frozenset(request.hints)
    return names | set(_in(request.input)) if isinstance(request.input, Conversation) else names


def without(request: InferenceRequest, dropped: frozenset[str]) -> InferenceRequest:
    """*request* without the hints called *dropped*."""
    left = {name: value for name, value in request.hints.items() if name not in dropped}
    if isinstance(request.input, Conversation):
        return replace(request, hints=left, input=_stripped(request.input, dropped))
    return replace(request, hints=left)


def _in(conversation: Conversation) -> Iterator[str]:
    if conversation.reasoning_effort is not None:
        yield Hint.EFFORT
    if conversation.thinking is not None:
        yield Hint.THINKING
    if any(tool.cache for tool in conversation.tools):
        yield Hint.CACHE
    for message in conversation.messages:
        if message.cache:
            yield Hint.CACHE
        for part in message.parts:
            if isinstance(part, Thought) or (isinstance(part, ToolUse) and part.extra):
                yield Hint.THOUGHTS
            if not isinstance(part, Thought) and part.cache:
                yield Hint.CACHE


def _stripped(conversation: Conversation, dropped: frozenset[str]) -> Conversation:
    if Hint.EFFORT in dropped:
        conversation = replace(conversation, reasoning_effort=None)
    if Hint.THINKING in dropped:
        conversation = replace(conversation, thinking=None)
    if Hint.THOUGHTS in dropped:
        conversation = replace(conversation, messages=tuple(map(_thoughtless, conversation.messages)))
    if Hint.CACHE in dropped:
        tools = tuple(replace(tool, cache=None) for tool in conversation.tools)
        conversation = replace(conversation, tools=tools, messages=tuple(map(_uncached, conversation.messages)))
    return conversation


def _thoughtless(message: Message) -> Message:
    def plain(part: Part) -> Part:
        return replace(part, extra=None) if isinstance(part, ToolUse) and part.extra else part

    return replace(message, parts=tuple(plain(part) for part in message.parts if not isinstance(part, Thought)))


def _uncached(message: Message) -> Message:
    def plain(part: Any) -> Any:
        return part if isinstance(part, Thought) or part.cache is None else replace(part, cache=None)

    return replace(message, parts=tuple(map(plain, message.parts)), cache=None)
