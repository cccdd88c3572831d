"""A conversation as the body of Anthropic's Messages API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from inferpoint.model.chat import (
    CacheHint,
    Content,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Thought,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.hints import Hint
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.anthropic import thinking
from inferpoint.protocols.chat import TOOL_MODES, Dialect, call_id, parameters, turns

DIALECT = Dialect("Anthropic chat completion API")
DOCUMENTS = ("application/pdf", "text/plain")
# Members of tools that other providers leave aside.
TOOL_HINTS = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")
USER, CONTEXT_MANAGEMENT, BETA = "user", "context_management", "anthropic_beta"
_IDENTIFIER = "safety_identifier"  # OpenAI's newer word for the user
HINTS = frozenset({*Hint, *TOOL_HINTS, USER, _IDENTIFIER, CONTEXT_MANAGEMENT, BETA})
_PARAMS = ("parallel_tool_calls", "response_format")


def request_body(request: InferenceRequest) -> dict[str, Any]:
    """All that a conversation says; the model and the length are the endpoint's where it names none."""
    conversation, params, hints = request.conversation, DIALECT.params(request, _PARAMS), request.hints
    user = hints.get(USER) or hints.get(_IDENTIFIER)
    body: dict[str, Any] = {
        "model": conversation.model or None,
        "max_tokens": conversation.max_tokens,
        "messages": [_message(role, messages) for role, messages in turns(thinking.with_own_thoughts(conversation))],
        "system": [_block(part) for part in DIALECT.system(conversation, params)] or None,
        "stop_sequences": DIALECT.stops(conversation),
        "temperature": DIALECT.within_one("temperature", conversation.temperature),
        "top_p": conversation.top_p,
        "tools": [_tool(tool) for tool in DIALECT.tools(conversation)] or None,
        "tool_choice": _choice(conversation, sequential=DIALECT.sequential(params)),
        "thinking": None if (asked := conversation.thinking) is None else thinking.written(asked),
        "output_config": _output(conversation, params) or None,
        "metadata": {"user_id": user} if user else None,
        "context_management": hints.get(CONTEXT_MANAGEMENT),
        "cache_control": hints.get(Hint.CACHE),
        "stream": True if request.stream else None,
    }
    return present(body)


def headers(request: InferenceRequest) -> Mapping[str, str]:
    """The headers in which a caller asks Anthropic for what is not generally there yet."""
    return {"anthropic-beta": request.hints[BETA]} if BETA in request.hints else {}


def _message(role: Role, messages: Sequence[Message]) -> dict[str, Any]:
    """One turn. A single text is a string: what everybody sends, and what a mark for the cache has no place in."""
    blocks = [block for message in messages for block in _blocks(message)]
    match blocks:
        case [{"type": "text", "text": str(text)}] if "cache_control" not in blocks[0]:
            return {"role": role.value, "content": text}
        case _:
            return {"role": role.value, "content": blocks}


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role is Role.ASSISTANT:
        DIALECT.only_text(message)
    blocks = [_block(part) for part in message.parts]
    if message.tool_call_id is None:
        return blocks
    result = {
        "type": "tool_result",
        "tool_use_id": call_id(message.tool_call_id),
        "is_error": True if message.failed else None,
        "content": blocks or None,
    }
    return [_marked(present(result), message.cache)]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Thought(redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case Thought(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case ToolUse(called, name):
            use = {"type": "tool_use", "id": call_id(called), "name": name, "input": DIALECT.arguments(part)}
            return _marked(use, part.cache)
        case _:
            return _marked(_content(part), part.cache)


def _content(part: Content) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            data = DIALECT.image(part)
            return {"type": "image", "source": _address(part.url) if data is None else _base64(*data)}
        case FilePart(filename=filename):
            return present({"type": "document", "source": _document(part), "title": filename})


def _marked(block: dict[str, Any], cache: CacheHint | None) -> dict[str, Any]:
    """*block*, up to which Anthropic may keep the conversation where there is a hint to it."""
    if cache is None:
        return block
    return {**block, "cache_control": present({"type": "ephemeral", "ttl": cache.ttl, "scope": cache.scope})}


def _address(url: str) -> dict[str, Any]:
    return {"type": "url", "url": url}


def _base64(kind: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": kind, "data": data}


def _document(part: FilePart) -> dict[str, Any]:
    if part.data.startswith(("http://", "https://")):
        return _address(part.data)
    kind, data = DIALECT.file(part, DOCUMENTS)
    if kind == "application/pdf":
        return _base64(kind, data)
    try:
        text = base64.b64decode(data).decode()
    except UnicodeDecodeError:
        raise DIALECT.cannot("file_data", "in object [file] is text that is not UTF-8,") from None
    return {"type": "text", "media_type": kind, "data": text}


def _tool(tool: Tool) -> dict[str, Any]:
    declared = {
        "name": tool.name,
        "description": tool.description or None,
        "input_schema": parameters(tool),
        "strict": tool.strict,
        **tool.hints,
    }
    return _marked(present(declared), tool.cache)


def _choice(conversation: Conversation, *, sequential: bool) -> dict[str, Any] | None:
    choice = conversation.tool_choice or (ToolChoice(ToolMode.AUTO) if sequential else None)
    if choice is None or not conversation.tools:
        return None
    alone = True if sequential and choice.mode is not ToolMode.NONE else None
    return present({"type": TOOL_MODES[choice.mode], "name": choice.name, "disable_parallel_tool_use": alone})


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    """How hard to think, and the answer's form."""
    config: dict[str, Any] = present({"effort": thinking.effort(conversation.reasoning_effort, DIALECT)})
    if (schema := DIALECT.schema(params)) is not None:
        config["format"] = {"type": "json_schema", "schema": schema["schema"]}
    return config
