"""A conversation as the body of Anthropic's Messages API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from inferpoint.model.chat import (
    Content,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    Thought,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.chat import TOOL_MODES, Dialect, call_id, parameters, turns

DIALECT = Dialect("Anthropic chat completion API")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
DOCUMENTS = ("application/pdf", "text/plain")
_PARAMS = ("parallel_tool_calls", "response_format")


def request_body(request: InferenceRequest) -> dict[str, Any]:
    """All that a conversation says; the model and the length are the endpoint's where it names none."""
    conversation, params = request.conversation, DIALECT.params(request, _PARAMS)
    body: dict[str, Any] = {
        "model": conversation.model or None,
        "max_tokens": conversation.max_tokens,
        "messages": [_message(role, messages) for role, messages in turns(conversation)],
        "system": [{"type": "text", "text": text} for text in DIALECT.system(conversation, params)] or None,
        "stop_sequences": DIALECT.stops(conversation),
        "temperature": DIALECT.within_one("temperature", conversation.temperature),
        "top_p": conversation.top_p,
        "tools": [_tool(tool) for tool in DIALECT.tools(conversation)] or None,
        "tool_choice": _choice(conversation, sequential=DIALECT.sequential(params)),
        "output_config": _output(conversation, params) or None,
        "metadata": {"user_id": request.hints["user"]} if "user" in request.hints else None,
        "stream": True if request.stream else None,
    }
    return present(body)


def _message(role: Role, messages: Sequence[Message]) -> dict[str, Any]:
    """One turn. A single text is a string: what everybody sends."""
    blocks = [block for message in messages for block in _blocks(message)]
    match blocks:
        case [{"type": "text", "text": str(text)}]:
            return {"role": role.value, "content": text}
        case _:
            return {"role": role.value, "content": blocks}


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role is Role.ASSISTANT:
        DIALECT.only_text(message)
    blocks = [_block(part) for part in message.parts if not isinstance(part, Thought)]
    if message.tool_call_id is not None:
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id(message.tool_call_id)}
        if message.failed:
            result["is_error"] = True
        return [result | {"content": blocks} if blocks else result]
    return blocks


def _block(part: Content | ToolUse) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart():
            data = DIALECT.image(part)
            source = {"type": "url", "url": part.url} if data is None else _base64(*data)
            return {"type": "image", "source": source}
        case FilePart(filename=filename):
            block = {"type": "document", "source": _document(part)}
            return block if filename is None else block | {"title": filename}
        case ToolUse(called, name):
            return {"type": "tool_use", "id": call_id(called), "name": name, "input": DIALECT.arguments(part)}


def _base64(kind: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": kind, "data": data}


def _document(part: FilePart) -> dict[str, Any]:
    kind, data = DIALECT.file(part, DOCUMENTS)
    if kind == "application/pdf":
        return _base64(kind, data)
    try:
        text = base64.b64decode(data).decode()
    except UnicodeDecodeError:
        raise DIALECT.cannot("file_data", "in object [file] is text that is not UTF-8,") from None
    return {"type": "text", "media_type": kind, "data": text}


def _tool(tool: Tool) -> dict[str, Any]:
    description = tool.description or None
    return present(
        {
            "name": tool.name,
            "description": description,
            "input_schema": parameters(tool),
            "strict": tool.strict,
        }
    )


def _choice(conversation: Conversation, *, sequential: bool) -> dict[str, Any] | None:
    choice = conversation.tool_choice or (ToolChoice(ToolMode.AUTO) if sequential else None)
    if choice is None or not conversation.tools:
        return None
    alone = True if sequential and choice.mode is not ToolMode.NONE else None
    return present({"type": TOOL_MODES[choice.mode], "name": choice.name, "disable_parallel_tool_use": alone})


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if (effort := conversation.reasoning_effort) is not None:
        if effort not in EFFORTS:
            raise DIALECT.cannot("reasoning_effort", f"is [{effort}], not one of [{', '.join(EFFORTS)}],")
        config["effort"] = effort
    if (schema := DIALECT.schema(params)) is not None:
        config["format"] = {"type": "json_schema", "schema": schema["schema"]}
    return config
