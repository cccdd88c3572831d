"""Anthropic's messages to a conversation. What has no place in one is refused by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from inferpoint.api.anthropic import blocks
from inferpoint.errors import invalid
from inferpoint.model.chat import (
    Conversation,
    Message,
    Part,
    Role,
    Thinking,
    Tool,
    ToolChoice,
    ToolMode,
)
from inferpoint.model.fields import Fields
from inferpoint.model.hints import Hint
from inferpoint.model.http import present
from inferpoint.protocols.anthropic.requests import CONTEXT_MANAGEMENT, TOOL_HINTS
from inferpoint.protocols.openai.messages import refuse_unasked

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "none": ToolMode.NONE, "tool": ToolMode.NAMED}
_THINKING = ("enabled", "adaptive", "disabled")
_SHOWN = {"summarized": True, "omitted": False}


@dataclass(frozen=True)
class Asked:
    """A request's conversation, task settings, members with no place elsewhere, hints, and the person it is for."""

    conversation: Conversation
    options: Mapping[str, Any]
    params: Mapping[str, Any]
    hints: Mapping[str, Any]
    user: str | None


def asked(body: Fields, *, counted: bool = False) -> Asked:
    """All of a request's body but its model, and whether to stream; one that is only *counted* needs no limit."""
    max_tokens = body.take("max_tokens", int) if counted else body.need("max_tokens", int)
    messages = _messages(body)
    tools = tuple(_tool(Fields(tool, f"tools.{place}")) for place, tool in enumerate(body.array("tools") or []))
    choice, params = _choice(body.any("tool_choice"))
    effort, shape = _output(body.object("output_config") or {})
    conversation = Conversation(
        messages,
        tools,
        choice,
        max_tokens=max_tokens,
        stop=body.texts("stop_sequences") or (),
        temperature=body.take("temperature", float),
        top_p=body.take("top_p", float),
        reasoning_effort=effort,
        thinking=_thinking(body.object("thinking")),
        effort_only=True,
    )
    metadata, top_k = Fields(body.object("metadata") or {}, "metadata"), body.take("top_k", int)
    user = metadata.take("user_id", str)
    metadata.end()
    hints = {name: body.object(name) or None for name in (CONTEXT_MANAGEMENT, Hint.CACHE)}
    if (tier := body.any("service_tier")) not in (None, "auto"):
        raise invalid(f"[service_tier] [{tier}] is not supported")
    body.end()
    return Asked(conversation, {} if top_k is None else {"top_k": top_k}, {**params, **shape}, present(hints), user)


def _messages(body: Fields) -> tuple[Message, ...]:
    turns = body.array("messages")
    if not turns:
        raise invalid("[messages] must hold at least one message")
    system = blocks.texts(body.any("system"), "system")
    messages = [Message(Role.SYSTEM, system)] if system else []
    for place, turn in enumerate(turns):
        messages += _message(Fields(turn, f"messages.{place}"))
    refuse_unasked(messages)
    return tuple(messages)


def _message(turn: Fields) -> Iterator[Message]:
    """One turn; in a user's, each tool's result is a turn of its own here."""
    role = _ROLES.get(name := turn.need("role", str))
    if role is None:
        raise invalid(f"{turn.name('role')} must be one of [{', '.join(_ROLES)}], not [{name}]")
    content = turn.any("content")
    turn.end()
    if not isinstance(content, str | list):
        raise invalid(f"{turn.name('content')} must be a string or an array of blocks")
    parts: list[Part] = []
    for block in blocks.listed(content, turn.path("content")):
        kind = block.need("type", str)
        if kind == "tool_result" and role is Role.USER:
            if parts:
                yield Message(role, tuple(parts))
                parts = []
            yield blocks.result(block)
        else:
            parts += blocks.part(block, kind, role)
    if parts or not content:
        yield Message(role, tuple(parts))


def _tool(declared: Fields) -> Tool:
    if (kind := declared.take("type", str)) not in (None, "custom"):
        raise invalid(f"{declared.name('type')} [{kind}] is not supported, only [custom]")
    tool = Tool(
        declared.need("name", str),
        declared.take("description", str),
        cast("dict[str, Any]", declared.need("input_schema", dict)),
        declared.take("strict", bool),
        blocks.cache(declared),
        present({name: declared.any(name) for name in TOOL_HINTS}),
    )
    declared.end()
    return tool


def _choice(value: Any) -> tuple[ToolChoice | None, dict[str, Any]]:
    if value is None:
        return None, {}
    choice = Fields(value, "tool_choice")
    if (kind := choice.need("type", str)) not in _MODES:
        raise invalid(f"[tool_choice.type] must be one of [{', '.join(_MODES)}], not [{kind}]")
    name = choice.need("name", str) if kind == "tool" else None
    alone = choice.take("disable_parallel_tool_use", bool)
    choice.end()
    return ToolChoice(_MODES[kind], name), {"parallel_tool_calls": False} if alone else {}


def _thinking(value: dict[str, Any] | None) -> Thinking | None:
    """How a model is to think; one that is to adapt has no budget."""
    if value is None:
        return None
    thinking = Fields(value, "thinking")
    if (kind := thinking.need("type", str)) not in _THINKING:
        raise invalid(f"[thinking.type] must be one of [{', '.join(_THINKING)}], not [{kind}]")
    budget = thinking.need("budget_tokens", int) if kind == "enabled" else None
    if (display := thinking.take("display", str)) not in (None, *_SHOWN):
        raise invalid(f"[thinking.display] must be one of [{', '.join(_SHOWN)}], not [{display}]")
    thinking.end()
    return Thinking(kind != "disabled", budget, None if display is None else _SHOWN[display])


def _output(value: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """How hard to think, and the shape of the answer, in OpenAI's words as members with no place elsewhere are."""
    config = Fields(value, "output_config")
    effort, form = config.take("effort", str), config.object("format")
    config.end()
    if form is None:
        return effort, {}
    shape = Fields(form, "output_config.format")
    if (kind := shape.need("type", str)) != "json_schema":
        raise invalid(f"[output_config.format.type] must be [json_schema], not [{kind}]")
    schema: dict[str, Any] = {"name": "answer", "schema": shape.need("schema", dict), "strict": True}
    shape.end()
    return effort, {"response_format": {"type": kind, "json_schema": schema}}
