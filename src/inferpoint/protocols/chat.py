"""Conversations for providers whose chats are not OpenAI's; what one cannot express is refused by name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, invalid
from inferpoint.model.chat import (
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    ToolMode,
    ToolUse,
)
from inferpoint.model.requests import InferenceRequest

# The words of each provider whose chats are not OpenAI's for how tools are used.
TOOL_MODES = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "any", ToolMode.NAMED: "tool"}
# Values that say no more than leaving the field out.
_SILENT: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
}
# What a format of any JSON object says, to models whose API has none: a schema would have to name the members, a tool
# that must be called forbids all others, and newer models refuse an answer that is begun for them.
_JSON_OBJECT = (
    "Answer with one valid JSON object and nothing else: no words before or after it, and no code fence around it."
)
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
# What a conversation that another provider began may hold, and these refuse.
_CALL_ID, _FOREIGN = re.compile(r"[a-zA-Z0-9_-]{1,64}"), re.compile(r"[^a-zA-Z0-9_-]")
_FORM = "a base64 data URI with the format [data:{MIME-type};base64,...]"


@dataclass(frozen=True)
class Dialect:
    """A provider's chat API, and the name it has in errors: what it can express, and the error for what it cannot."""

    api: str

    def cannot(self, field: str, problem: str = "is not supported") -> InferenceError:
        """The error for a *field* that the API has no place for, or not with that value."""
        return invalid(f"Field [{field}] {problem} for the {self.api}")

    def params(self, request: InferenceRequest, taken: Sequence[str]) -> Mapping[str, Any]:
        """The fields of an OpenAI request with no place of ours; others than *taken* are refused, unless silent."""
        asked = {
            name: value
            for name, value in request.params.items()
            if value is not None and (name not in _SILENT or value != _SILENT[name])
        }
        if unknown := [name for name in asked if name not in taken]:
            raise invalid(*(str(self.cannot(name)) for name in unknown))
        return asked

    def within_one(self, name: str, value: float | None) -> float | None:
        """*value* of the field *name*, which OpenAI bounds by 2 and this provider by 1."""
        if value is not None and not 0 <= value <= 1:
            raise self.cannot(name, f"is [{value}] and must be between 0 and 1")
        return value

    def sequential(self, params: Mapping[str, Any]) -> bool:
        """Whether tools are to be called one at a time."""
        value = params.get("parallel_tool_calls", True)
        if not isinstance(value, bool):
            raise self.cannot("parallel_tool_calls", "must be true or false")
        return not value

    def schema(self, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """`json_schema` of `response_format`, with its `schema`; `json_object` is said in `system`."""
        match params.get("response_format"):
            case None | {"type": "json_object"}:
                return None
            case {"type": "json_schema", "json_schema": {"schema": dict()} as schema}:
                return cast("Mapping[str, Any]", schema)
            case _:
                raise self.cannot("response_format", "must be [json_object], or a [json_schema] with a [schema],")

    def tools(self, conversation: Conversation) -> Sequence[Tool]:
        """The tools; a choice among none is refused."""
        choice = conversation.tool_choice
        if choice and choice.mode in (ToolMode.REQUIRED, ToolMode.NAMED) and not conversation.tools:
            raise self.cannot("tool_choice", "needs [tools]")
        return conversation.tools

    def system(self, conversation: Conversation, params: Mapping[str, Any]) -> Sequence[TextPart]:
        """The texts of the system's turns, wherever they stand, and what *params* want of an answer's form.

        Parts other than text are refused.
        """
        texts: list[TextPart] = []
        for message in conversation.messages:
            if message.role is Role.SYSTEM:
                self.only_text(message)
                texts += [part for part in message.parts if isinstance(part, TextPart) and part.text.strip()]
        match params.get("response_format"):
            case {"type": "json_object"}:
                return [*texts, TextPart(_JSON_OBJECT)]
            case _:
                return texts

    def stops(self, conversation: Conversation, *, blank: bool = False) -> Sequence[str] | None:
        """The words at which to stop; those of white space alone only where the model takes *blank* ones."""
        return [stop for stop in conversation.stop if (stop if blank else stop.strip())] or None

    def arguments(self, use: ToolUse) -> msgspec.Raw:
        """The arguments of a tool call as the JSON object that they are, its numbers as they were written."""
        if not use.arguments.strip():
            return msgspec.Raw(b"{}")
        try:
            msgspec.json.decode(use.arguments, type=dict[str, Any])
            return msgspec.Raw(use.arguments.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            problem = f"in object [function] of the tool call [{use.id}] must be a JSON object"
            raise self.cannot("arguments", problem) from None

    def image(self, part: ImagePart) -> tuple[str, str] | None:
        """Media type and base64 of an image; None for one at an address."""
        if part.detail not in (None, "auto"):
            raise self.cannot("detail", f"in object [image_url] is [{part.detail}], which has no meaning")
        if part.url.startswith(("http://", "https://")):
            return None
        kind, data = self.data("url", "image_url", part.url, f"an HTTP(S) URL or {_FORM}")
        if kind not in _IMAGES:
            raise self.unread("url", "image_url", kind, _IMAGES)
        return kind, data

    def data(self, field: str, of: str, uri: str, wanted: str = _FORM) -> tuple[str, str]:
        """Media type, without its parameters, and base64 of a data URI."""
        head, comma, data = uri.partition(",")
        if not (comma and head[:5].lower() == "data:" and head.lower().endswith(";base64")):
            raise self.cannot(field, f"in object [{of}] must be {wanted}")
        try:
            base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise self.cannot(field, f"in object [{of}] has a payload that is not base64,") from None
        kind = head[5:].partition(";")[0].strip().lower()
        return ("image/jpeg" if kind == "image/jpg" else kind), data

    def unread(self, field: str, of: str, kind: str, known: Sequence[str]) -> InferenceError:
        """The error for a *field* of the object *of* that holds data of a media type that is not *known*."""
        return self.cannot(field, f"in object [{of}] has the media type [{kind}], not one of [{', '.join(known)}],")

    def file(self, part: FilePart, known: Sequence[str]) -> tuple[str, str]:
        """Media type and base64 of a file, whose type is one of the *known*."""
        kind, data = self.data("file_data", "file", part.data)
        if kind not in known:
            raise self.unread("file_data", "file", kind, known)
        return kind, data

    def only_text(self, message: Message) -> None:
        """Refuse a message with parts other than text: only the user's may have them."""
        if not all(isinstance(part, TextPart) for part in message.content):
            raise self.cannot("content", f"of a message of the role [{message.role}] can only be text")


def turns(conversation: Conversation) -> Sequence[tuple[Role, Sequence[Message]]]:
    """The turns of user and assistant, neighbours of one side together; a tool's result is the user's.

    Blank texts say nothing and go, and turns that only they made; unless there is nothing else to send.
    An answer that is begun for the model ends without white space.
    """
    talk = [message for message in conversation.messages if message.role is not Role.SYSTEM]
    merged = _merged([kept for message in talk if (kept := _unblank(message)) is not None])
    merged = merged or _merged([message for message in talk if message.parts])
    if not merged:
        raise invalid("Field [messages] must hold a message with content beside those of the role [system]")
    side, last = merged[-1]
    return merged if side is Role.USER else [*merged[:-1], (side, [*last[:-1], _trimmed(last[-1])])]


def call_id(name: str) -> str:
    """The id of a tool call as these providers take it: *name* itself, or one that only *name* becomes."""
    if _CALL_ID.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_FOREIGN.sub('_', name)[:48]}_{digest}"


def _trimmed(message: Message) -> Message:
    match message.parts:
        case [*before, TextPart(text=text) as part]:
            return replace(message, parts=(*before, replace(part, text=text.rstrip())))
        case _:
            return message


def _unblank(message: Message) -> Message | None:
    parts = tuple(part for part in message.parts if not _blank(part))
    if not (parts or message.tool_call_id is not None):
        return None
    return replace(message, parts=parts)


def _blank(part: Part) -> bool:
    return isinstance(part, TextPart) and not part.text.strip()


def _merged(messages: Sequence[Message]) -> list[tuple[Role, list[Message]]]:
    sides: list[tuple[Role, list[Message]]] = []
    for message in messages:
        side = Role.ASSISTANT if message.role is Role.ASSISTANT else Role.USER
        if sides and sides[-1][0] is side:
            sides[-1][1].append(message)
        else:
            sides.append((side, [message]))
    return sides


def parameters(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments, which these providers want to be one of an object."""
    return {"type": "object", "properties": {}, **(tool.parameters or {})}
