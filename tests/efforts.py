"""What a chat asks of Claude by its effort, and the `thinking` that Claude from 4.6 on is told, by every service."""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import Thinking, Tool, ToolChoice, ToolMode

EFFORTS: list[tuple[dict[str, Any], Any]] = [
    ({"reasoning_effort": "high"}, {"type": "adaptive", "display": "summarized"}),
    ({"reasoning_effort": "high", "temperature": 1.0}, {"type": "adaptive", "display": "summarized"}),
    ({"reasoning_effort": "none"}, None),
    ({"reasoning_effort": "high", "effort_only": True}, None),
    ({"reasoning_effort": "high", "temperature": 0.5}, None),
    ({"reasoning_effort": "high", "top_p": 0.5}, None),
    ({"reasoning_effort": "high", "tools": (Tool("f"),), "tool_choice": ToolChoice(ToolMode.REQUIRED)}, None),
    ({"reasoning_effort": "high", "tools": (Tool("f"),), "tool_choice": ToolChoice(ToolMode.AUTO)},
     {"type": "adaptive", "display": "summarized"}),
    ({"reasoning_effort": "high", "thinking": Thinking(enabled=False)}, {"type": "disabled"}),
]  # fmt: skip
