"""What Converse passes on to Claude and back: thinking, one tool at a time, and the stop sequence that was met.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import Thinking, Thought, ToolChoice, ToolMode
from inferpoint.model.http import present
from inferpoint.protocols.anthropic import thinking as claudes
from inferpoint.protocols.chat import TOOL_MODES

# Where Claude tells the stop sequence: in a whole answer, and in the last event of a stream.
STOP_SEQUENCE = ("/stop_sequence", "/delta/stop_sequence")
_AUTO = ToolChoice(ToolMode.AUTO)


def thinking(asked: Thinking | None) -> dict[str, Any]:
    """The member `thinking` of Claude's own request."""
    return {} if asked is None else {"thinking": claudes.written(asked)}


def one_tool(choice: ToolChoice | None) -> dict[str, Any]:
    """The member `tool_choice` of Claude's own request, for *choice* with one tool at a time."""
    chosen = choice or _AUTO
    return present({"type": TOOL_MODES[chosen.mode], "name": chosen.name, "disable_parallel_tool_use": True})


def thought(part: Thought) -> dict[str, Any]:
    """A sealed thought of an earlier turn, as it came."""
    if part.redacted is not None:
        return {"reasoningContent": {"redactedContent": part.redacted}}
    return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}
