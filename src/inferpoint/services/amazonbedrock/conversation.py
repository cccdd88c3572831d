"""A conversation as the body of Converse, which is nearly the same for every provider's models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.model.chat import (
    Content,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    Thought,
    ToolUse,
)
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.chat import turns
from inferpoint.services.amazonbedrock import words_only
from inferpoint.services.amazonbedrock.tools import CLAUDE, DIALECT, tools

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


def request_body(request: InferenceRequest, provider: str) -> dict[str, Any]:
    """All that a conversation says, to a model of *provider*; `additionalModelRequestFields` may be extended."""
    conversation, params = request.conversation, DIALECT.params(request, _PARAMS)
    if provider in words_only.PROVIDERS:
        words_only.refuse_more(conversation, provider)
    if provider != CLAUDE and any(message.failed for message in conversation.messages):
        raise DIALECT.cannot("is_error", f"is not supported by models of [{provider}]")
    limits = {
        "maxTokens": conversation.max_tokens,
        "temperature": DIALECT.within_one("temperature", conversation.temperature),
        "topP": conversation.top_p,
        "stopSequences": conversation.stop or None,
    }
    config, native = tools(conversation, provider, sequential=DIALECT.sequential(params))
    body: dict[str, Any] = {
        "messages": _Messages().written(conversation),
        "system": [{"text": part.text} for part in DIALECT.system(conversation, params)],
        "inferenceConfig": present(limits),
        "toolConfig": config,
        "additionalModelRequestFields": native,
        "outputConfig": _output(conversation, params),
    }
    if provider in words_only.PROVIDERS:
        words_only.fold(body)
    return {name: value for name, value in body.items() if value}


class _Messages:
    """The writer of the turns of one conversation, in which no two documents have one name."""

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
        if message.role is Role.ASSISTANT:
            DIALECT.only_text(message)
        blocks = [self._block(part) for part in message.parts if not isinstance(part, Thought)]
        if message.tool_call_id is not None:
            status = {"status": "error"} if message.failed else {}
            return [{"toolResult": {"toolUseId": message.tool_call_id, "content": blocks, **status}}]
        return blocks

    def _block(self, part: Content | ToolUse) -> dict[str, Any]:
        match part:
            case TextPart(text=text):
                return {"text": text}
            case ImagePart():
                if (image := DIALECT.image(part)) is None:
                    raise DIALECT.cannot("url", "in object [image_url] must be a data URI and not an address")
                kind, data = image
                return {"image": {"format": kind.removeprefix("image/"), "source": {"bytes": data}}}
            case FilePart():
                kind, data = DIALECT.file(part, tuple(DOCUMENTS))
                document = {"format": DOCUMENTS[kind], "name": self._named(part.filename), "source": {"bytes": data}}
                return {"document": document}
            case ToolUse(called, name):
                return {"toolUse": {"toolUseId": called, "name": name, "input": DIALECT.arguments(part)}}

    def _named(self, filename: str | None) -> str:
        """A name in the characters that Bedrock takes, which no document before has."""
        plain = _FOREIGN.sub(" ", filename or "")[:_LONGEST_NAME].strip() or "document"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} ({number})"
        self._names.add(name)
        return name


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if conversation.reasoning_effort is not None:
        config["effort"] = conversation.reasoning_effort
    if (asked := DIALECT.schema(params)) is not None:
        text = msgspec.json.encode(asked["schema"]).decode()
        schema = present({"schema": text, "name": asked.get("name"), "description": asked.get("description")})
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return config
