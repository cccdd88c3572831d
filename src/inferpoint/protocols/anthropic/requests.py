"""A conversation as the body of Anthropic's Messages API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

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
)
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.chat import Dialect, call_id, parameters, turns

DIALECT = Dialect("Anthropic chat completion API")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
DOCUMENTS = ("application/pdf", "text/plain")
_PARAMS = ("parallel_tool_calls", "response_format", "user")
_MODES = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "any", ToolMode.NAMED: "tool"}


def request_body(request: InferenceRequest) -> dict[str, Any]:
    """All that a conversation says to a model but which model it is, and how many tokens it may write."""
    conversation, params = request.conversation, DIALECT.params(request, _PARAMS)
    body: dict[str, Any] = {
        "messages": [_message(role, messages) for role, messages in turns(conversation)],
        "system": [{"type": "text", "text": text} for text in DIALECT.system(conversation, params)] or None,
        "stop_sequences": DIALECT.stops(conversation),
        "temperature": DIALECT.within_one("temperature", conversation.temperature),
        "top_p": conversation.top_p,
        "tools": [_tool(tool) for tool in DIALECT.tools(conversation)] or None,
        "tool_choice": _choice(conversation, sequential=DIALECT.sequential(params)),
        "output_config": _output(conversation, params) or None,
        "metadata": {"user_id": params["user"]} if "user" in params else None,
        "stream": True if request.stream else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _message(role: Role, messages: Sequence[Message]) -> dict[str, Any]:
    """One turn. A single text is a string: what everybody sends."""
    blocks = [block for message in messages for block in _blocks(message)]
    match blocks:
        case [{"type": "text", "text": str(text)}]:
            return {"role": role.value, "content": text}
        case _:
            return {"role": role.value, "content": blocks}


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks = [_block(part) for part in message.parts]
    if message.tool_call_id is not None:
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id(message.tool_call_id)}
        if message.failed:
            result["is_error"] = True
        return [result | {"content": blocks} if blocks else result]
    if message.role is Role.ASSISTANT and not all(isinstance(part, TextPart) for part in message.parts):
        raise DIALECT.cannot("content", "of a message of the role [assistant] can only be text")
    uses = [
        {"type": "tool_use", "id": call_id(use.id), "name": use.name, "input": DIALECT.arguments(use)}
        for use in message.tool_uses
    ]
    return [*blocks, *uses]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            data = DIALECT.image(part)
            source = {"type": "url", "url": part.url} if data is None else _base64(*data)
            return {"type": "image", "source": source}
        case FilePart(_, filename):
            block = {"type": "document", "source": _document(part)}
            return block if filename is None else block | {"title": filename}


def _base64(kind: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": kind, "data": data}


def _document(part: FilePart) -> dict[str, Any]:
    kind, data = DIALECT.data("file_data", "file", part.data)
    if kind not in DOCUMENTS:
        raise DIALECT.unread(kind, DOCUMENTS)
    if kind == "application/pdf":
        return _base64(kind, data)
    try:
        text = base64.b64decode(data).decode()
    except UnicodeDecodeError:
        raise DIALECT.cannot("file_data", "in object [file] is text that is not UTF-8,") from None
    return {"type": "text", "media_type": kind, "data": text}


def _tool(tool: Tool) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    declared["input_schema"] = parameters(tool)
    return declared if tool.strict is None else declared | {"strict": tool.strict}


def _choice(conversation: Conversation, *, sequential: bool) -> dict[str, Any] | None:
    choice = conversation.tool_choice or (ToolChoice(ToolMode.AUTO) if sequential else None)
    if choice is None or not conversation.tools:
        return None
    written: dict[str, Any] = {"type": _MODES[choice.mode]}
    if choice.name is not None:
        written["name"] = choice.name
    return written | {"disable_parallel_tool_use": True} if sequential and choice.mode is not ToolMode.NONE else written


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if (effort := conversation.reasoning_effort) is not None:
        if effort not in EFFORTS:
            raise DIALECT.cannot("reasoning_effort", f"is [{effort}], not one of [{', '.join(EFFORTS)}],")
        config["effort"] = effort
    if (schema := DIALECT.schema(params)) is not None:
        config["format"] = {"type": "json_schema", "schema": schema["schema"]}
    return config
