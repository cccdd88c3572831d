"""Tools of a conversation, as Converse and the models' own requests take them."""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import Conversation, Tool, ToolChoice, ToolMode
from inferpoint.model.http import present
from inferpoint.protocols.chat import TOOL_MODES, Dialect, parameters

DIALECT = Dialect("Amazon Bedrock chat completion API")
CLAUDE = "anthropic"  # the only one of these providers with results of tools that failed
ONE_AT_A_TIME = (CLAUDE,)  # whose own request says it; Converse has no place for it
_AUTO = ToolChoice(ToolMode.AUTO)


def tools(conversation: Conversation, provider: str, *, sequential: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """`toolConfig`, and what the request of the provider's own models says of tools.

    Bedrock wants tools declared wherever messages hold calls: a turn that is to call none declares those that were
    called, and Claude is told not to.
    """
    declared, choice = DIALECT.tools(conversation), conversation.tool_choice
    idle = not declared or (choice is not None and choice.mode is ToolMode.NONE)
    if idle:
        called = dict.fromkeys(use.name for message in conversation.messages for use in message.tool_uses)
        if called and declared and provider != CLAUDE:
            raise DIALECT.cannot("tool_choice", "cannot be [none] where [messages] hold tool calls")
        known = {tool.name: tool for tool in declared}
        declared = [known.get(name, Tool(name)) for name in called]
    if not declared:
        return {}, {}
    config: dict[str, Any] = {"tools": [{"toolSpec": _tool(tool)} for tool in declared]}
    if idle:
        return config, {"tool_choice": {"type": "none"}} if provider == CLAUDE else {}
    if sequential:
        if provider not in ONE_AT_A_TIME:
            raise DIALECT.cannot("parallel_tool_calls", f"cannot be false with models of [{provider}]")
        chosen = choice or _AUTO
        native = {"type": TOOL_MODES[chosen.mode], "name": chosen.name, "disable_parallel_tool_use": True}
        return config, {"tool_choice": present(native)}
    if choice is not None:
        config["toolChoice"] = {TOOL_MODES[choice.mode]: {} if choice.name is None else {"name": choice.name}}
    return config, {}


def _tool(tool: Tool) -> dict[str, Any]:
    description, schema = tool.description or None, {"json": parameters(tool)}
    return present({"name": tool.name, "inputSchema": schema, "description": description, "strict": tool.strict})
