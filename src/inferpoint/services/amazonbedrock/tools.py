"""Tools of a conversation, as Converse and the models' own requests take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inferpoint.model.chat import Conversation, Tool, ToolMode
from inferpoint.model.http import present
from inferpoint.protocols.chat import TOOL_MODES, parameters
from inferpoint.services.amazonbedrock import claude
from inferpoint.services.amazonbedrock.dialect import CLAUDE, DIALECT, cache_point

_NO_MORE = "This tool was called before and cannot be called any more."


def tools(conversation: Conversation, provider: str, *, sequential: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """`toolConfig`, and what the request of the provider's own models says of tools.

    Converse takes calls in earlier turns only beside tools, and has no word for using none: without tools, or where
    none is to be used, those that were called are in their place, and say that they cannot be called.
    """
    declared, choice = DIALECT.tools(conversation), conversation.tool_choice
    if choice and choice.mode is ToolMode.NONE:
        declared = ()
    if not declared:
        called = _config(_called(conversation))
        return (called if called["tools"] else {}), {}
    config = _config(declared)
    if sequential:
        if provider != CLAUDE:
            raise DIALECT.cannot("parallel_tool_calls", f"cannot be false with models of [{provider}]")
        return config, {"tool_choice": claude.one_tool(choice)}
    if choice is not None:
        config["toolChoice"] = {TOOL_MODES[choice.mode]: {} if choice.name is None else {"name": choice.name}}
    return config, {}


def _called(conversation: Conversation) -> Sequence[Tool]:
    """The tools that earlier turns called, each once."""
    names = dict.fromkeys(use.name for message in conversation.messages for use in message.tool_uses)
    return [Tool(name, _NO_MORE) for name in names]


def _config(tools: Sequence[Tool]) -> dict[str, Any]:
    return {"tools": [block for tool in tools for block in ({"toolSpec": _spec(tool)}, *cache_point(tool.cache))]}


def _spec(tool: Tool) -> dict[str, Any]:
    description, schema = tool.description or None, {"json": parameters(tool)}
    return present({"name": tool.name, "inputSchema": schema, "description": description, "strict": tool.strict})
