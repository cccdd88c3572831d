"""Anthropic's messages to a conversation. What has no place in one is refused by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from inferpoint.errors import invalid
from inferpoint.model.chat import (
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.fields import Fields
from inferpoint.protocols.openai.messages import refuse_unasked

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "none": ToolMode.NONE, "tool": ToolMode.NAMED}


@dataclass(frozen=True)
class Asked:
    """A request's conversation, task settings, members with no place elsewhere, and the person it is for."""

    conversation: Conversation
    options: Mapping[str, Any]
    params: Mapping[str, Any]
    user: str | None


def asked(body: Fields) -> Asked:
    """All of a request's body but its model, and whether to stream."""
    max_tokens = body.need("max_tokens", int)
    turns = body.array("messages")
    if not turns:
        raise invalid("[messages] must hold at least one message")
    system = _texts(body.any("system"), "system")
    messages = [Message(Role.SYSTEM, system)] if system else []
    for place, turn in enumerate(turns):
        messages += _message(Fields(turn, f"messages.{place}"))
    refuse_unasked(messages)
    choice, params = _choice(body.any("tool_choice"))
    effort, shape = _output(body.any("output_config"))
    conversation = Conversation(
        tuple(messages),
        tuple(_tool(Fields(tool, f"tools.{place}")) for place, tool in enumerate(body.array("tools") or [])),
        choice,
        max_tokens=max_tokens,
        stop=body.texts("stop_sequences") or (),
        temperature=body.take("temperature", float),
        top_p=body.take("top_p", float),
        reasoning_effort=effort,
    )
    metadata, top_k = Fields(body.any("metadata") or {}, "metadata"), body.take("top_k", int)
    user = metadata.take("user_id", str)
    metadata.end()
    _end(body)
    return Asked(conversation, {} if top_k is None else {"top_k": top_k}, {**params, **shape}, user)


def _end(body: Fields) -> None:
    if (tier := body.any("service_tier")) not in (None, "auto"):
        raise invalid(f"[service_tier] [{tier}] is not supported")
    if (body.object("thinking") or {}).get("type", "disabled") != "disabled":
        raise invalid("[thinking] is not supported, only that it is disabled")
    body.end()


def _message(turn: Fields) -> Iterator[Message]:
    """One turn; in a user's, each tool's result is a turn of its own here."""
    role = _ROLES.get(name := turn.need("role", str))
    if role is None:
        raise invalid(f"{turn.name('role')} must be one of [{', '.join(_ROLES)}], not [{name}]")
    content = turn.any("content")
    turn.end()
    if not isinstance(content, str | list):
        raise invalid(f"{turn.name('content')} must be a string or an array of blocks")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else cast("list[Any]", content)
    parts: list[Part] = []
    for place, value in enumerate(blocks):
        block = Fields(value, f"{turn.path('content')}.{place}")
        kind = block.need("type", str)
        if kind == "tool_use" and role is Role.ASSISTANT:
            parts.append(_use(block))
        elif kind == "tool_result" and role is Role.USER:
            if parts:
                yield Message(role, tuple(parts))
                parts = []
            yield _result(block)
        else:
            parts += _part(block, kind)
    if parts or not blocks:
        yield Message(role, tuple(parts))


def _part(block: Fields, kind: str) -> Sequence[Part]:
    match kind:
        case "text":
            text = block.need("text", str)
            block.refuse("citations")
            block.end()
            return (TextPart(text),) if text else ()
        case "image":
            url = _source(block, ("base64", "url"))
            block.end()
            return (ImagePart(url),)
        case "document":
            title = block.take("title", str)
            block.refuse("citations")
            data = _source(block, ("base64",))
            block.end()
            return (FilePart(data, title),)
        case _:
            raise invalid(f"{block.name('type')} [{kind}] is not supported here")


def _source(block: Fields, kinds: Sequence[str]) -> str:
    """An address, or a data URI."""
    source = Fields(block.need("source", dict), block.path("source"))
    if (kind := source.need("type", str)) not in kinds:
        raise invalid(f"{source.name('type')} must be one of [{', '.join(kinds)}], not [{kind}]")
    url = source.need("url", str) if kind == "url" else ""
    if not url:
        url = f"data:{source.need('media_type', str)};base64,{source.need('data', str)}"
    source.end()
    return url


def _use(block: Fields) -> ToolUse:
    arguments = msgspec.json.encode(block.need("input", dict)).decode()
    use = ToolUse(block.need("id", str), block.need("name", str), arguments)
    block.end()
    return use


def _result(block: Fields) -> Message:
    call_id = block.need("tool_use_id", str)
    parts = _texts(block.any("content"), block.path("content"))
    failed = block.take("is_error", bool) or False
    block.end()
    return Message(Role.TOOL, parts, tool_call_id=call_id, failed=failed)


def _texts(content: Any, of: str) -> tuple[Part, ...]:
    """Words alone, as a string or in blocks."""
    match content:
        case None | "":
            return ()
        case str():
            return (TextPart(content),)
        case list():
            blocks = [Fields(block, f"{of}.{place}") for place, block in enumerate(cast("list[Any]", content))]
            return tuple(part for block in blocks for part in _part(block, _text_only(block)))
        case _:
            raise invalid(f"[{of}] must be a string or an array of text blocks")


def _text_only(block: Fields) -> str:
    if (kind := block.need("type", str)) != "text":
        raise invalid(f"{block.name('type')} [{kind}] is not supported here, only [text]")
    return kind


def _tool(declared: Fields) -> Tool:
    if (kind := declared.take("type", str)) not in (None, "custom"):
        raise invalid(f"{declared.name('type')} [{kind}] is not supported, only [custom]")
    name, description = declared.need("name", str), declared.take("description", str)
    strict = declared.take("strict", bool)
    tool = Tool(name, description, cast("dict[str, Any]", declared.need("input_schema", dict)), strict)
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


def _output(value: Any) -> tuple[str | None, dict[str, Any]]:
    """How hard to think, and the shape of the answer, in OpenAI's words as members with no place elsewhere are."""
    config = Fields(value or {}, "output_config")
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
