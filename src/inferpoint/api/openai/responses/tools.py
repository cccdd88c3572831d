"""The tools of a request, and which of them the model may call."""

from __future__ import annotations

from typing import Any

from inferpoint.errors import InferenceError, invalid
from inferpoint.model.chat import Tool, ToolChoice, ToolMode
from inferpoint.model.fields import Fields

_MODES = ("auto", "none", "required")


def read(body: Fields) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that the model is to know, and the choice among them; `allowed_tools` leaves the others out."""
    tools = tuple(_tool(Fields(tool, f"tools[{place}]")) for place, tool in enumerate(body.array("tools") or ()))
    match body.any("tool_choice"):
        case None:
            return tools, None
        case str() as mode if mode in _MODES:
            return tools, ToolChoice(ToolMode(mode))
        case {"type": "function", "name": str() as name}:
            return tools, ToolChoice(ToolMode.NAMED, name)
        case {"type": "allowed_tools", "mode": ("auto" | "required") as mode, "tools": [*allowed]}:
            names = {_allowed(entry) for entry in allowed}
            return tuple(tool for tool in tools if tool.name in names), ToolChoice(ToolMode(mode))
        case _:
            raise _no_choice()


def written(tool: Tool) -> dict[str, Any]:
    """*tool* as a response tells it back."""
    return {
        "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters,
        "strict": tool.strict,
    }  # fmt: skip


def _tool(fields: Fields) -> Tool:
    kind = fields.need("type", str)
    if kind != "function":
        raise invalid(f"{fields.name('type')} must be [function], not [{kind}]: only the caller's own tools run here")
    tool = Tool(
        fields.need("name", str),
        fields.take("description", str),
        fields.object("parameters"),
        fields.take("strict", bool),
    )
    fields.refuse("defer_loading", "output_schema", "allowed_callers")
    fields.end()
    return tool


def _allowed(entry: Any) -> str:
    match entry:
        case {"type": "function", "name": str() as name}:
            return name
        case _:
            raise _no_choice()


def _no_choice() -> InferenceError:
    return invalid(
        f"[tool_choice] must be one of [{', '.join(_MODES)}], an object that names a function, or [allowed_tools]"
        " that are functions"
    )
