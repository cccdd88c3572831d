"""How Claude is asked to think, by Anthropic's own API and by Bedrock's, which passes it on.

https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, extended-thinking and effort.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from inferpoint.model.chat import Conversation, Message, Role, Thinking, Thought, ToolMode
from inferpoint.model.hints import Hint
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.chat import Dialect

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_SHOWN = {True: "summarized", False: "omitted"}
_OF_THINKERS = frozenset[str]({Hint.EFFORT, Hint.THINKING, Hint.BUDGET, Hint.THOUGHTS})
_FORCED = (ToolMode.REQUIRED, ToolMode.NAMED)
# Models that think by a budget alone: 3.7, and 4 up to 4.5, with a date or a version after their names. Of these Opus
# 4.5 alone knows an effort. Those before do not think; any other name is that of a newer model, which adapts.
_BUDGETED = re.compile(r"claude-(?:3[-.]7-sonnet|(?:opus|sonnet|haiku)-4(?:[-.][015])?)(?=$|[-@:]20\d{6}|-v\d|-latest)")
_EFFORTLESS = re.compile(r"(?!.*opus-4[-.]5)" + _BUDGETED.pattern)
# From 4.7 on they adapt, and refuse a budget.
_ADAPTING = re.compile(r"claude-[a-z]+-(?:4[-.](?:[7-9]|[1-9]\d)|[5-9]|[1-9]\d)(?!\d)")
_THOUGHTLESS = re.compile(r"claude-(?:instant|v?2|3(?![-.]7))")
_LEAST, _MOST = 1_024, 16_000
_BUDGETS = {"minimal": _LEAST, "low": _LEAST, "medium": 8_000, "high": _MOST, "xhigh": _MOST, "max": _MOST}


def hints(taken: frozenset[str], model: str) -> frozenset[str]:
    """Those of the hints *taken* that *model* has a place for.

    Claude before 3.7 neither thinks nor knows an effort, and from 4.7 on decides by itself how much to think.
    """
    if _ADAPTING.search(model):
        return taken - {Hint.BUDGET}
    return taken - _OF_THINKERS if _THOUGHTLESS.search(model) else taken


def asking(request: InferenceRequest, model: str) -> InferenceRequest:
    """*request* with the thinking that its effort in OpenAI's words asks for of *model*.

    Models from 4.6 on think as the effort says; older ones take a budget in its place, of tokens, of which the caller's
    own limit leaves half to the answer. Claude refuses to think with a temperature or top_p of the caller's, or when it
    must call a tool: then the effort says no more than how many words to make, to who knows one. With a budget it also
    refuses to go on from a tool's result whose call has lost its thought, as clients of OpenAI's chats lose it.
    """
    conversation = request.conversation
    if conversation.reasoning_effort is None:
        return request
    model = conversation.model or model
    thinking = _thinking(conversation, model)
    effortless = conversation.reasoning_effort in _BUDGETS and _EFFORTLESS.search(model)
    if effortless or (thinking is not None and thinking.budget is not None):
        conversation = replace(conversation, reasoning_effort=None)
    return replace(request, input=replace(conversation, thinking=thinking or conversation.thinking))


def _thinking(conversation: Conversation, model: str) -> Thinking | None:
    """The thinking that an effort asks for, where it asks for any."""
    effort, limit, choice = conversation.reasoning_effort, conversation.max_tokens, conversation.tool_choice
    if conversation.thinking is not None or conversation.effort_only or effort in (None, "none"):
        return None
    free = conversation.temperature in (None, 1) and conversation.top_p is None
    if not free or (choice is not None and choice.mode in _FORCED):
        return None
    if effort not in _BUDGETS or not _BUDGETED.search(model):
        return Thinking(shown=True)
    budget = _BUDGETS[effort] if limit is None else min(_BUDGETS[effort], limit // 2)
    if budget < _LEAST or _goes_on_without_thought(conversation.messages):
        return None
    return Thinking(budget=budget)


def effort(asked: str | None, dialect: Dialect) -> str | None:
    """The effort in Claude's words, whose least is `low`; none is not to think, as when nobody asks.

    Other words are refused as those that the *dialect* cannot say.
    """
    if asked in (None, "none"):
        return None
    if asked == "minimal":
        return "low"
    if asked not in _EFFORTS:
        raise dialect.cannot("reasoning_effort", f"is [{asked}], not one of [{', '.join(_EFFORTS)}],")
    return asked


def with_own_thoughts(conversation: Conversation) -> Conversation:
    """*conversation* without the thoughts that nothing seals: they are another maker's, and Claude refuses them."""
    return replace(conversation, messages=tuple(map(_with_own_thoughts, conversation.messages)))


def _with_own_thoughts(message: Message) -> Message:
    parts = tuple(part for part in message.parts if not isinstance(part, Thought) or _sealed(part))
    return message if len(parts) == len(message.parts) else replace(message, parts=parts)


def _sealed(thought: Thought) -> bool:
    return bool(thought.signature or thought.redacted)


def _goes_on_without_thought(messages: Sequence[Message]) -> bool:
    """Whether *messages* end in tools' results, and the turn that called the tools has no sealed thought."""
    if not messages or messages[-1].role is not Role.TOOL:
        return False
    caller = next((message for message in reversed(messages) if message.role is Role.ASSISTANT), messages[-1])
    return not any(map(_sealed, caller.thoughts))


def written(thinking: Thinking) -> dict[str, Any]:
    """The member `thinking`: with a budget as older models want it; without one the model decides how much."""
    if not thinking.enabled:
        return {"type": "disabled"}
    kind = "adaptive" if thinking.budget is None else "enabled"
    shown = None if thinking.shown is None else _SHOWN[thinking.shown]
    return present({"type": kind, "budget_tokens": thinking.budget, "display": shown})
