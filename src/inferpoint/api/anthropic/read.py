"""Anthropic's messages to a conversation. What has no place in one is refused by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from inferpoint.api.fields import Fields
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
from inferpoint.protocols.openai.messages import refuse_unasked

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "none": ToolMode.NONE, "tool": ToolMode.NAMED}


@dataclass(frozen=True)
class Asked:
    """What a request asks beside its model: task settings, members with no place elsewhere, and for whom."""

    talk: Conversation
    options: Mapping[str, Any]
    params: Mapping[str, Any]
    user: str | None


def asked(body: Fields) -> Asked:
    """All of a request's body but its model, and whether to stream."""
    most = body.need("max_tokens", int)
    given = body.array("messages")
    if not given:
        raise invalid("[messages] must hold at least one message")
    system = _texts(body.any("system"), "system")
    found = [Message(Role.SYSTEM, system)] if system else []
    for place, each in enumerate(given):
        found += _message(Fields(each, f"messages.{place}"))
    refuse_unasked(found)
    choice, params = _choice(body.any("tool_choice"))
    effort, shape = _output(body.any("output_config"))
    talk = Conversation(
        tuple(found),
        tuple(_tool(Fields(each, f"tools.{place}")) for place, each in enumerate(body.array("tools") or [])),
        choice,
        max_tokens=most,
        stop=body.texts("stop_sequences") or (),
        temperature=body.take("temperature", float),
        top_p=body.take("top_p", float),
        reasoning_effort=effort,
    )
    metadata, top_k = Fields(body.any("metadata") or {}, "metadata"), body.take("top_k", int)
    user = metadata.take("user_id", str)
    metadata.end()
    _end(body)
    return Asked(talk, {} if top_k is None else {"top_k": top_k}, {**params, **shape}, user)


def _end(body: Fields) -> None:
    if (tier := body.any("service_tier")) not in (None, "auto"):
        raise invalid(f"[service_tier] [{tier}] is not supported")
    if (body.object("thinking") or {}).get("type", "disabled") != "disabled":
        raise invalid("[thinking] is not supported, only that it is disabled")
    body.end()


def _message(given: Fields) -> Iterator[Message]:
    """One turn; in a user's, each tool's result is a turn of its own here."""
    role = _ROLES.get(name := given.need("role", str))
    if role is None:
        raise invalid(f"{given.name('role')} must be one of [{', '.join(_ROLES)}], not [{name}]")
    content = given.any("content")
    given.end()
    if not isinstance(content, str | list):
        raise invalid(f"{given.name('content')} must be a string or an array of blocks")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else cast("list[Any]", content)
    parts: list[Part] = []
    uses: list[ToolUse] = []
    for place, each in enumerate(blocks):
        block = Fields(each, f"{given.name('content')[1:-1]}.{place}")
        kind = block.need("type", str)
        if kind == "tool_use" and role is Role.ASSISTANT:
            uses.append(_use(block))
        elif kind == "tool_result" and role is Role.USER:
            if parts:
                yield Message(role, tuple(parts))
                parts = []
            yield _result(block)
        else:
            parts += _part(block, kind)
    if parts or uses or not blocks:
        yield Message(role, tuple(parts), tuple(uses))


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
    source = Fields(block.need("source", dict), block.name("source")[1:-1])
    if (kind := source.need("type", str)) not in kinds:
        raise invalid(f"{source.name('type')} must be one of [{', '.join(kinds)}], not [{kind}]")
    found = source.need("url", str) if kind == "url" else ""
    if not found:
        found = f"data:{source.need('media_type', str)};base64,{source.need('data', str)}"
    source.end()
    return found


def _use(block: Fields) -> ToolUse:
    arguments = msgspec.json.encode(block.need("input", dict)).decode()
    use = ToolUse(block.need("id", str), block.need("name", str), arguments)
    block.end()
    return use


def _result(block: Fields) -> Message:
    called = block.need("tool_use_id", str)
    parts = _texts(block.any("content"), block.name("content")[1:-1])
    failed = block.take("is_error", bool) or False
    block.end()
    return Message(Role.TOOL, parts, tool_call_id=called, failed=failed)


def _texts(content: Any, of: str) -> tuple[Part, ...]:
    """Words alone, as a string or in blocks."""
    match content:
        case None | "":
            return ()
        case str():
            return (TextPart(content),)
        case list():
            blocks = [Fields(each, f"{of}.{place}") for place, each in enumerate(cast("list[Any]", content))]
            return tuple(part for block in blocks for part in _part(block, _text_only(block)))
        case _:
            raise invalid(f"[{of}] must be a string or an array of text blocks")


def _text_only(block: Fields) -> str:
    if (kind := block.need("type", str)) != "text":
        raise invalid(f"{block.name('type')} [{kind}] is not supported here, only [text]")
    return kind


def _tool(given: Fields) -> Tool:
    if (kind := given.take("type", str)) not in (None, "custom"):
        raise invalid(f"{given.name('type')} [{kind}] is not supported, only [custom]")
    name, described, strict = given.need("name", str), given.take("description", str), given.take("strict", bool)
    tool = Tool(name, described, cast("dict[str, Any]", given.need("input_schema", dict)), strict)
    given.end()
    return tool


def _choice(value: Any) -> tuple[ToolChoice | None, dict[str, Any]]:
    if value is None:
        return None, {}
    given = Fields(value, "tool_choice")
    if (kind := given.need("type", str)) not in _MODES:
        raise invalid(f"[tool_choice.type] must be one of [{', '.join(_MODES)}], not [{kind}]")
    name = given.need("name", str) if kind == "tool" else None
    alone = given.take("disable_parallel_tool_use", bool)
    given.end()
    return ToolChoice(_MODES[kind], name), {"parallel_tool_calls": False} if alone else {}


def _output(value: Any) -> tuple[str | None, dict[str, Any]]:
    """How hard to think, and the shape of the answer, in OpenAI's words as members with no place elsewhere are."""
    given = Fields(value or {}, "output_config")
    effort, shape = given.take("effort", str), given.object("format")
    given.end()
    if shape is None:
        return effort, {}
    wanted = Fields(shape, "output_config.format")
    if (kind := wanted.need("type", str)) != "json_schema":
        raise invalid(f"[output_config.format.type] must be [json_schema], not [{kind}]")
    schema: dict[str, Any] = {"name": "answer", "schema": wanted.need("schema", dict), "strict": True}
    wanted.end()
    return effort, {"response_format": {"type": kind, "json_schema": schema}}
