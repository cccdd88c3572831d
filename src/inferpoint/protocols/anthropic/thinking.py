"""How Claude is asked to think, by Anthropic's own API and by Bedrock's, which passes it on.

https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking.
"""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import Conversation, Thinking, ToolMode
from inferpoint.model.http import present

_SHOWN = {True: "summarized", False: "omitted"}
_FORCED = (ToolMode.REQUIRED, ToolMode.NAMED)


def asked(conversation: Conversation) -> Thinking | None:
    """The thinking that *conversation* asks for; an effort in OpenAI's words asks for it where Claude may think.

    Claude refuses to think with a temperature or top_p of the caller's, or when it must call a tool: then the effort
    says no more than how many words to make.
    """
    choice = conversation.tool_choice
    if (
        conversation.thinking is not None
        or conversation.effort_only
        or conversation.reasoning_effort in (None, "none")
        or conversation.temperature not in (None, 1)
        or conversation.top_p is not None
        or (choice is not None and choice.mode in _FORCED)
    ):
        return conversation.thinking
    return Thinking(shown=True)


def written(thinking: Thinking) -> dict[str, Any]:
    """The member `thinking`: with a budget as older models want it; without one the model decides how much."""
    if not thinking.enabled:
        return {"type": "disabled"}
    kind = "adaptive" if thinking.budget is None else "enabled"
    shown = None if thinking.shown is None else _SHOWN[thinking.shown]
    return present({"type": kind, "budget_tokens": thinking.budget, "display": shown})
