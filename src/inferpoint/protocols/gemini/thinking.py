"""How Gemini is asked to think. https://ai.google.dev/gemini-api/docs/thinking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inferpoint.model.chat import Conversation
from inferpoint.model.hints import Hint
from inferpoint.model.http import present
from inferpoint.protocols.chat import Dialect

# Models before 2.5 do not think, 2.5 does by a budget of tokens; any other name is that of a newer one, with levels.
_THOUGHTLESS = re.compile(r"gemini-(?:1|2\.0|pro\b)|gemma")
_BUDGETED = re.compile(r"gemini-2\.5")
_UNSEALED = re.compile(r"gemini-[12]|gemma")
_ALWAYS = re.compile(r"gemini-[\d.]+-pro")  # these cannot be told not to think
_NONE = "none"
_FEWEST = 128
# The budgets of Google's own table of OpenAI's words: https://ai.google.dev/gemini-api/docs/openai.
_BUDGETS = {_NONE: 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_LEVELS = {
    _NONE: "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH",
    "max": "HIGH",
}  # fmt: skip


def hints(model: str) -> frozenset[str]:
    """The hints that *model* has a place for; what it thought earlier goes back to every one."""
    if _THOUGHTLESS.search(model):
        return frozenset({Hint.THOUGHTS})
    return frozenset({Hint.THOUGHTS, Hint.EFFORT, Hint.THINKING, Hint.BUDGET})


def sealing(model: str) -> bool:
    """Whether *model* refuses a tool call of its own without the signature of the thought that it came from."""
    return not _UNSEALED.search(model)


def written(conversation: Conversation, model: str, dialect: Dialect) -> Mapping[str, Any] | None:
    """The member `thinkingConfig`; a budget goes before an effort. Efforts of other words cannot be said."""
    thinking, effort = conversation.thinking, conversation.reasoning_effort
    if thinking is not None and not thinking.enabled:
        thinking, effort = None, _NONE
    budget = None if thinking is None else thinking.budget
    amount = {"thinkingBudget": budget} if effort is None or budget is not None else _amount(effort, model, dialect)
    if thinking is not None:
        shown = thinking.shown is not False
    else:
        shown = effort not in (None, _NONE) and not conversation.effort_only
    return present({**amount, "includeThoughts": shown or None}) or None


def _amount(effort: str, model: str, dialect: Dialect) -> dict[str, Any]:
    """How much to think, in the words that *model* knows."""
    if effort not in _LEVELS:
        raise dialect.cannot("reasoning_effort", f"is [{effort}], not one of [{', '.join(_LEVELS)}],")
    always = bool(_ALWAYS.search(model))
    if _BUDGETED.search(model):
        return {"thinkingBudget": max(_BUDGETS[effort], _FEWEST if always else 0)}
    level = _LEVELS[effort]
    return {"thinkingLevel": "LOW" if always and level == "MINIMAL" else level}
