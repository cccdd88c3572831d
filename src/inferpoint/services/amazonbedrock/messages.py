"""The turns of a conversation as the content blocks of Converse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from inferpoint.model.chat import Conversation, FilePart, ImagePart, Message, Part, Role, TextPart, Thought, ToolUse
from inferpoint.protocols.anthropic import thinking
from inferpoint.protocols.chat import call_id, turns
from inferpoint.services.amazonbedrock import claude
from inferpoint.services.amazonbedrock.dialect import CLAUDE, DIALECT, cache_point

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
_FAILED = "Error:"


class Messages:
    """The writer of the turns of one conversation with a model of *provider*; no two documents have one name."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._names: set[str] = set()

    def written(self, conversation: Conversation) -> list[dict[str, Any]]:
        """All turns but the system's."""
        spoken = turns(thinking.with_own_thoughts(conversation))
        return [{"role": role.value, "content": self._content(messages)} for role, messages in spoken]

    def _content(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        return _with_words([block for message in messages for block in self._blocks(message)])

    def _blocks(self, message: Message) -> list[dict[str, Any]]:
        if message.role is Role.ASSISTANT:
            DIALECT.only_text(message)
        if message.tool_call_id is not None:
            hints = (message.cache, *(part.cache for part in message.content))
            return [{"toolResult": self._result(message, message.tool_call_id)}, *cache_point(*hints)]
        return [block for part in message.parts for block in self._part(part)]

    def _result(self, message: Message, called: str) -> dict[str, Any]:
        """What a tool answered; that it failed is told to models that do not know the status in words."""
        blocks = _with_words([self._block(part) for part in message.content])
        result: dict[str, Any] = {"toolUseId": call_id(called), "content": blocks}
        if message.failed and self._provider == CLAUDE:
            result["status"] = "error"
        elif message.failed:
            blocks.insert(0, {"text": _FAILED})
        return result

    def _part(self, part: Part) -> list[dict[str, Any]]:
        match part:
            case Thought():
                return [claude.thought(part)]
            case ToolUse(called, name):
                use = {"toolUseId": call_id(called), "name": name, "input": DIALECT.arguments(part)}
                return [{"toolUse": use}, *cache_point(part.cache)]
            case _:
                return [self._block(part), *cache_point(part.cache)]

    def _block(self, part: TextPart | ImagePart | FilePart) -> dict[str, Any]:
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
                document = {"format": DOCUMENTS[kind], "name": self._name(part.filename), "source": {"bytes": data}}
                return {"document": document}

    def _name(self, filename: str | None) -> str:
        """A name in the characters that Bedrock takes, which no document before has."""
        plain = _FOREIGN.sub(" ", filename or "")[:_LONGEST_NAME].strip() or "document"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} ({number})"
        self._names.add(name)
        return name


def _with_words(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*blocks* with words beside a document, which must have some: its name, where there are no others."""
    names = [block["document"]["name"] for block in blocks if "document" in block]
    return [*blocks, {"text": names[0]}] if names and not any("text" in block for block in blocks) else blocks
