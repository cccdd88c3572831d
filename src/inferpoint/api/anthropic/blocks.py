"""Content blocks of Anthropic's messages, to the parts of a conversation. What has no place is refused by its name."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from inferpoint.api import sealed_calls
from inferpoint.api.anthropic import thoughts
from inferpoint.errors import invalid
from inferpoint.model.chat import CacheHint, Content, FilePart, ImagePart, Message, Part, Role, TextPart, ToolUse
from inferpoint.model.fields import Fields

_EPHEMERAL = "ephemeral"


def part(block: Fields, kind: str, role: Role) -> Sequence[Part]:
    """The part that a block of a turn of *role* is; none for an empty text."""
    if role is Role.ASSISTANT and kind == "tool_use":
        return (_use(block),)
    if role is Role.ASSISTANT and kind in thoughts.KINDS:
        return (thoughts.read(block, kind),)
    return content(block, kind)


def content(block: Fields, kind: str) -> Sequence[Content]:
    """The text, image or document that a block is; none for an empty text."""
    hint = cache(block)
    match kind:
        case "text":
            text = block.need("text", str)
            block.refuse("citations")
            block.end()
            return (TextPart(text, hint),) if text else ()
        case "image":
            url = _source(block, ("base64", "url"))
            block.end()
            return (ImagePart(url, cache=hint),)
        case "document":
            title = block.take("title", str)
            block.refuse("citations")
            data = _source(block, ("base64", "text", "url"))
            block.end()
            return (FilePart(data, title, hint),)
        case _:
            raise invalid(f"{block.name('type')} [{kind}] is not supported here")


def result(block: Fields) -> Message:
    """The result of a tool, a turn of its own here."""
    call_id, _ = sealed_calls.opened(block.need("tool_use_id", str))
    value = block.any("content")
    shown = [shown for inner in listed(value, block.path("content")) for shown in content(inner, _kind(inner))]
    failed, hint = block.take("is_error", bool) or False, cache(block)
    block.end()
    return Message(Role.TOOL, tuple(shown), tool_call_id=call_id, failed=failed, cache=hint)


def texts(value: Any, of: str) -> tuple[TextPart, ...]:
    """Words alone, as a string or in blocks."""
    parts: list[TextPart] = []
    for block in listed(value, of):
        if (kind := _kind(block)) != "text":
            raise invalid(f"{block.name('type')} [{kind}] is not supported here, only [text]")
        parts += [part for part in content(block, kind) if isinstance(part, TextPart)]
    return tuple(parts)


def listed(value: Any, of: str) -> Sequence[Fields]:
    """The blocks in *value*, which stands at *of*; a string is one of text."""
    match value:
        case None:
            return ()
        case str():
            return (Fields({"type": "text", "text": value}, f"{of}.0"),)
        case list():
            return [Fields(block, f"{of}.{place}") for place, block in enumerate(cast("list[Any]", value))]
        case _:
            raise invalid(f"[{of}] must be a string or an array of blocks")


def cache(block: Fields) -> CacheHint | None:
    """The hint that a provider may keep the conversation up to *block*, where there is one."""
    value = block.object("cache_control")
    if value is None:
        return None
    hint = Fields(value, block.path("cache_control"))
    if (kind := hint.need("type", str)) != _EPHEMERAL:
        raise invalid(f"{hint.name('type')} must be [{_EPHEMERAL}], not [{kind}]")
    asked = CacheHint(hint.take("ttl", str), hint.take("scope", str))
    hint.end()
    return asked


def _kind(block: Fields) -> str:
    return block.need("type", str)


def _source(block: Fields, kinds: Sequence[str]) -> str:
    """An address, or a data URI."""
    source = Fields(block.need("source", dict), block.path("source"))
    match kind := source.need("type", str):
        case _ if kind not in kinds:
            raise invalid(f"{source.name('type')} must be one of [{', '.join(kinds)}], not [{kind}]")
        case "url":
            url = source.need("url", str)
        case "text":
            text = source.need("data", str).encode("utf-8", "surrogatepass")
            url = f"data:{source.need('media_type', str)};base64,{base64.b64encode(text).decode()}"
        case _:
            url = f"data:{source.need('media_type', str)};base64,{source.need('data', str)}"
    source.end()
    return url


def _use(block: Fields) -> ToolUse:
    arguments = msgspec.json.encode(block.need("input", dict)).decode()
    call_id, extra = sealed_calls.opened(block.need("id", str))
    use = ToolUse(call_id, block.need("name", str), arguments, cache(block), extra)
    if (caller := block.object("caller")) not in (None, {"type": "direct"}):
        raise invalid(f"{block.name('caller')} [{caller}] is not supported, only that of type [direct]")
    block.end()
    return use
