"""Items of an input to the messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from msgspec.structs import replace

from inferpoint.api import sealed_calls
from inferpoint.api.openai.responses import custom, reasoning, tools
from inferpoint.errors import invalid
from inferpoint.model.chat import FilePart, ImagePart, Message, Part, Role, TextPart, ToolUse
from inferpoint.model.fields import Fields

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_DETAILS = ("auto", "low", "high")
_KINDS = (
    "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
    "item_reference",
)  # fmt: skip
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def kind(item: Mapping[str, Any]) -> Any:
    """The type of an *item*, which messages and references may leave out."""
    named = item.get("type")
    if named is not None:
        return named
    return "message" if "role" in item else "item_reference" if "id" in item else None


def messages(items: Sequence[Any], first: int = 0) -> tuple[Message, ...]:
    """The messages that *items* make; what a model said, and the tools it called in one breath, are one of them.

    The item at *first* of the list is the request's own first: the place by which errors name it is 0.
    """
    turns: list[Message] = []
    running = False  # whether the last message is an assistant's that may still grow
    asked: set[str] = set()
    for place, item in enumerate(items, -first):
        fields = Fields(item, f"input[{place}]")
        for message in _read(fields, kind(item)):
            asked.update(use.id for use in message.tool_uses)
            if message.tool_call_id not in {None, *asked}:
                raise invalid(f"No tool call found for function call output with call_id {message.tool_call_id}.")
            grows = message.role is Role.ASSISTANT
            if grows and running:
                turns[-1] = _joined(turns[-1], message)
            else:
                turns.append(message)
            running = grows
    return tuple(turns)


def _read(fields: Fields, named: Any) -> Iterator[Message]:
    """The message that an item is, or is a part of; none for a thought that nobody here can read."""
    fields.any("type")
    match named:
        case "message":
            fields.only("id", "status", "phase", "role", "content")
            role = fields.need("role", str)
            if role not in _ROLES:
                raise invalid(f"{fields.name('role')} must be one of [{', '.join(_ROLES)}], not [{role}]")
            yield Message(_ROLES[role], _parts(fields.any("content"), fields.path("content")))
        case "function_call":
            fields.only("id", "status", "call_id", "namespace", "name", "arguments")
            name = tools.flat(fields.take("namespace", str), fields.need("name", str))
            yield Message(Role.ASSISTANT, (_use(fields, name, fields.need("arguments", str)),))
        case "custom_tool_call":
            fields.only("id", "status", "call_id", "name", "input")
            text = custom.arguments(fields.need("input", str))
            yield Message(Role.ASSISTANT, (_use(fields, fields.need("name", str), text),))
        case "function_call_output" | "custom_tool_call_output":
            fields.only("id", "status", "call_id", "namespace", "name", "output")
            (call_id, _), output = sealed_calls.opened(fields.need("call_id", str)), fields.any("output")
            yield Message(Role.TOOL, _parts(output, fields.path("output")), tool_call_id=call_id)
        case "reasoning":
            if thought := reasoning.read(fields):
                yield Message(Role.ASSISTANT, (thought,))
        case _:
            problem = f"{fields.name('type')} must be one of [{', '.join(_KINDS)}]"
            raise invalid(problem if named is None else f"{problem}, not [{named}]")


def _use(fields: Fields, name: str, arguments: str) -> ToolUse:
    call_id, extra = sealed_calls.opened(fields.need("call_id", str))
    return ToolUse(call_id, name, arguments, extra=extra)


def _joined(message: Message, more: Message) -> Message:
    return replace(message, parts=message.parts + more.parts)


def _parts(content: Any, of: str) -> tuple[Part, ...]:
    match content:
        case None:
            raise invalid(f"[{of}] is required")
        case str():
            return (TextPart(content),) if content else ()
        case list():
            parts = cast("list[Any]", content)
            return tuple(_part(Fields(part, f"{of}[{place}]")) for place, part in enumerate(parts))
        case _:
            raise invalid(f"[{of}] must be a string or an array")


def _part(fields: Fields) -> Part:
    named = fields.need("type", str)
    fields.any("prompt_cache_breakpoint")
    if named in _TEXTS:
        fields.only("text", "refusal", "annotations", "logprobs")
        return TextPart(fields.need(_TEXTS[named], str))
    match named:
        case "input_image":
            fields.only("image_url", "detail")
            url, detail = fields.need("image_url", str), fields.take("detail", str)
            if detail not in {None, *_DETAILS}:
                raise invalid(f"{fields.name('detail')} must be one of [{', '.join(_DETAILS)}], not [{detail}]")
            return ImagePart(url, None if detail == "auto" else detail)
        case "input_file":
            fields.only("file_data", "filename")
            return FilePart(fields.need("file_data", str), fields.take("filename", str))
        case _:
            wanted = ", ".join((*_TEXTS, "input_image", "input_file"))
            raise invalid(f"{fields.name('type')} must be one of [{wanted}], not [{named}]")
