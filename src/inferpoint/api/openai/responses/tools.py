"""The tools of a request, and which of them the model may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from inferpoint.api.openai.responses import custom
from inferpoint.errors import InferenceError, invalid
from inferpoint.model.chat import Tool, ToolChoice, ToolMode
from inferpoint.model.fields import Fields

_MODES = ("auto", "none", "required")
# Agents offer these to every model unasked. They run at OpenAI, and a model may do without.
_OFFERED = ("web_search", "web_search_preview")


@dataclass(frozen=True)
class Tools:
    """The functions that the model is told of, and the choice among them.

    `namespaces` are those that functions are of, by the names that the model knows them under; `customs` are the names
    of functions that stand for custom tools. `told` are the tools as a response tells them back, `offered` those that
    nobody need be told of, by their places.
    """

    functions: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    customs: frozenset[str] = frozenset()
    told: Sequence[Any] = ()
    offered: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def called(self, name: str) -> dict[str, str]:
        """The members by which a call tells which tool it is of, given the *name* that the model knows."""
        namespace = self.namespaces.get(name)
        if namespace is None:
            return {"name": name}
        return {"name": name.removeprefix(flat(namespace, "")), "namespace": namespace}


def read(body: Fields) -> Tools:
    """The tools of a request; a choice of `allowed_tools` leaves the others out."""
    functions: list[Tool] = []
    namespaces: dict[str, str] = {}
    told: list[Any] = []
    offered: dict[str, Any] = {}
    customs: set[str] = set()
    for place, tool in enumerate(body.array("tools") or ()):
        where = f"tools[{place}]"
        fields = Fields(tool, where)
        kind = fields.need("type", str)
        if kind in _OFFERED:
            offered[where] = tool
            continue
        if kind == "namespace":
            namespace = fields.need("name", str)
            several = list(_functions_of(namespace, fields))
            namespaces |= {function.name: namespace for function in several}
            functions += several
        elif kind == custom.KIND:
            functions.append(custom.function(fields))
            customs.add(functions[-1].name)
        else:
            functions.append(_function(kind, fields))
        told.append(_told(tool))
    tools = Tools(tuple(functions), None, namespaces, frozenset(customs), told, offered)
    return _chosen(tools, body.any("tool_choice"))


def flat(namespace: str | None, name: str) -> str:
    """The name under which a model knows the function *name* of a *namespace*; models know no namespaces."""
    return name if namespace is None else f"{namespace}__{name}"


def _functions_of(namespace: str, fields: Fields) -> Iterator[Tool]:
    fields.take("description", str)
    for place, entry in enumerate(fields.array("tools") or ()):
        inner = Fields(entry, f"{fields.path('tools')}[{place}]")
        function = _function(inner.need("type", str), inner)
        yield msgspec.structs.replace(function, name=flat(namespace, function.name))
    fields.end()


def _function(kind: str, fields: Fields) -> Tool:
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


def _told(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    defaults = {"description": None, "parameters": None, "strict": None} if tool["type"] == "function" else {}
    return defaults | dict(tool)


def _chosen(tools: Tools, choice: Any) -> Tools:
    match choice:
        case None:
            return tools
        case "auto" | "none" if not tools.functions:  # providers refuse a choice among none
            return tools
        case str() as mode if mode in _MODES:
            return replace(tools, choice=ToolChoice(ToolMode(mode)))
        case {"type": "function" | custom.KIND, "name": str() as name}:
            return replace(tools, choice=ToolChoice(ToolMode.NAMED, name))
        case {"type": "allowed_tools", "mode": ("auto" | "required") as mode, "tools": [*allowed]}:
            names = {_allowed(entry) for entry in allowed}
            functions = tuple(function for function in tools.functions if function.name in names)
            return replace(tools, functions=functions, choice=ToolChoice(ToolMode(mode)))
        case _:
            raise _no_choice()


def _allowed(entry: Any) -> str:
    match entry:
        case {"type": "function" | custom.KIND, "name": str() as name}:
            return name
        case _:
            raise _no_choice()


def _no_choice() -> InferenceError:
    return invalid(
        f"[tool_choice] must be one of [{', '.join(_MODES)}], an object that names a function, or [allowed_tools]"
        " that are functions"
    )
