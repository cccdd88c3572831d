"""A conversation as the body of Converse, which is nearly the same for every provider's models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

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
from inferpoint.model.inference import InferenceRequest
from inferpoint.protocols.chat import Wire, parameters, turns

WIRE = Wire("Amazon Bedrock chat completion API")
WORDS_ONLY = ("amazontitan",)  # Titan's text models know neither tools nor a system's turn nor anything but text
CLAUDE = "anthropic"  # the only one of these providers with results of tools that failed
ONE_AT_A_TIME = (CLAUDE,)  # whose own request says it; Converse has no place for it
DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_LONGEST_NAME = 190  # of 200: there is room for a number
_FOREIGN = re.compile(r"[^A-Za-z0-9\-()\[\]]+")
_PARAMS = ("parallel_tool_calls", "response_format")
_AUTO = ToolChoice(ToolMode.AUTO)
_MODES = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "any", ToolMode.NAMED: "tool"}


def request_body(request: InferenceRequest, provider: str) -> dict[str, Any]:
    """All that a conversation says, to a model of *provider*; `additionalModelRequestFields` may be extended."""
    conversation, params = request.conversation, WIRE.params(request, _PARAMS)
    if provider in WORDS_ONLY:
        _refuse_more_than_words(conversation, provider)
    if provider != CLAUDE and any(message.failed for message in conversation.messages):
        raise WIRE.cannot("is_error", f"is not supported by models of [{provider}]")
    limits = {
        "maxTokens": conversation.max_tokens,
        "temperature": WIRE.within_one("temperature", conversation.temperature),
        "topP": conversation.top_p,
        "stopSequences": conversation.stop or None,
    }
    config, native = _tools(conversation, provider, sequential=WIRE.sequential(params))
    body: dict[str, Any] = {
        "messages": _Messages().written(conversation),
        "system": [{"text": text} for text in WIRE.system(conversation)],
        "inferenceConfig": {name: value for name, value in limits.items() if value is not None},
        "toolConfig": config,
        "additionalModelRequestFields": native,
        "outputConfig": _output(conversation, params),
    }
    if provider in WORDS_ONLY:
        _fold(body)
    return {name: value for name, value in body.items() if value}


class _Messages:
    """Writes the turns of one conversation, in which no two documents have one name."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def written(self, conversation: Conversation) -> list[dict[str, Any]]:
        return [{"role": role.value, "content": self._content(messages)} for role, messages in turns(conversation)]

    def _content(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """One turn. A document must have words beside it: its name, where there are no others."""
        blocks = [block for message in messages for block in self._blocks(message)]
        names = [block["document"]["name"] for block in blocks if "document" in block]
        return [*blocks, {"text": names[0]}] if names and not any("text" in block for block in blocks) else blocks

    def _blocks(self, message: Message) -> list[dict[str, Any]]:
        blocks = [self._block(part) for part in message.parts]
        if message.tool_call_id is not None:
            status = {"status": "error"} if message.failed else {}
            return [{"toolResult": {"toolUseId": message.tool_call_id, "content": blocks, **status}}]
        if message.role is Role.ASSISTANT and not all(isinstance(part, TextPart) for part in message.parts):
            raise WIRE.cannot("content", "of a message of the role [assistant] can only be text")
        uses = [
            {"toolUse": {"toolUseId": use.id, "name": use.name, "input": WIRE.arguments(use)}}
            for use in message.tool_uses
        ]
        return [*blocks, *uses]

    def _block(self, part: Part) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"text": text}
            case ImagePart():
                if (found := WIRE.image(part)) is None:
                    raise WIRE.cannot("url", "in object [image_url] must be a data URI and not an address")
                kind, data = found
                return {"image": {"format": kind.removeprefix("image/"), "source": {"bytes": data}}}
            case FilePart():
                kind, data = WIRE.data("file_data", "file", part.data)
                if kind not in DOCUMENTS:
                    raise WIRE.unread(kind, tuple(DOCUMENTS))
                document = {"format": DOCUMENTS[kind], "name": self._named(part.filename), "source": {"bytes": data}}
                return {"document": document}

    def _named(self, filename: str | None) -> str:
        """A name in the characters that Bedrock takes, which no document before has."""
        plain = _FOREIGN.sub(" ", filename or "")[:_LONGEST_NAME].strip() or "document"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} ({number})"
        self._names.add(name)
        return name


def _tools(conversation: Conversation, provider: str, *, sequential: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """`toolConfig`, and what the model's own request says of tools."""
    tools, choice = WIRE.tools(conversation), conversation.tool_choice
    used = any(message.tool_uses or message.tool_call_id is not None for message in conversation.messages)
    if choice and choice.mode is ToolMode.NONE:
        if used and tools:
            raise WIRE.cannot("tool_choice", "cannot be [none] where [messages] hold tool calls")
        tools = ()
    if used and not tools:
        raise WIRE.cannot("tools", "is required where [messages] hold tool calls")
    if not tools:
        return {}, {}
    config: dict[str, Any] = {"tools": [{"toolSpec": _tool(tool)} for tool in tools]}
    if sequential:
        if provider not in ONE_AT_A_TIME:
            raise WIRE.cannot("parallel_tool_calls", f"cannot be false with models of [{provider}]")
        return config, {"tool_choice": {**_native(choice or _AUTO), "disable_parallel_tool_use": True}}
    if choice is not None:
        config["toolChoice"] = {_MODES[choice.mode]: {} if choice.name is None else {"name": choice.name}}
    return config, {}


def _native(choice: ToolChoice) -> dict[str, Any]:
    kind = {"type": _MODES[choice.mode]}
    return kind if choice.name is None else kind | {"name": choice.name}


def _tool(tool: Tool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": parameters(tool)}}
    if tool.description:
        found["description"] = tool.description
    return found if tool.strict is None else found | {"strict": tool.strict}


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if conversation.reasoning_effort is not None:
        found["effort"] = conversation.reasoning_effort
    if (given := WIRE.schema(params)) is not None:
        schema = {"schema": msgspec.json.encode(given["schema"]).decode()}
        schema |= {name: given[name] for name in ("name", "description") if given.get(name) is not None}
        found["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return found


def _refuse_more_than_words(conversation: Conversation, provider: str) -> None:
    of = f"is not supported by models of [{provider}]"
    if conversation.tools:
        raise WIRE.cannot("tools", of)
    for message in conversation.messages:
        if message.tool_uses or message.tool_call_id is not None:
            raise WIRE.cannot("tool_calls" if message.tool_uses else "tool_call_id", of)
        for part in message.parts:
            if not isinstance(part, TextPart):
                raise WIRE.cannot("image_url" if isinstance(part, ImagePart) else "file", of)


def _fold(body: dict[str, Any]) -> None:
    """The system's words at the beginning of the user's first turn."""
    system = body.pop("system")
    first = next((turn for turn in body["messages"] if turn["role"] == Role.USER), None)
    if system and first is None:
        raise WIRE.cannot("messages", "with a system's turn must hold one of the role [user]")
    if first is not None:
        first["content"][:0] = system
