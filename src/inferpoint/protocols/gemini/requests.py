"""A conversation as the body of Gemini's generateContent. https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import msgspec

from inferpoint.model.chat import (
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
    ToolMode,
    ToolUse,
)
from inferpoint.model.http import NOT_JSON, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.chat import Dialect, turns
from inferpoint.protocols.gemini import thinking

DIALECT = Dialect("Gemini API")
# Where a tool call carries the signature of its thought in OpenAI's format (ai.google.dev/gemini-api/docs/openai).
GOOGLE, SIGNATURE = "google", "thought_signature"
# Google's word for a call that another model made, whose thought has no signature.
UNSIGNED = "skip_thought_signature_validator"
_MODES = {ToolMode.REQUIRED: "ANY", ToolMode.NAMED: "ANY", ToolMode.NONE: "NONE"}
_SAMPLING = {
    "seed": "seed", "top_k": "topK", "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
}  # fmt: skip
_FORMAT = "response_format"
# What stands at an address must be said beside it.
_KINDS = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain",
}  # fmt: skip


def request_body(request: InferenceRequest, model: str) -> dict[str, Any]:
    """All that a conversation says to *model*, which is named in the address."""
    conversation, params = request.conversation, DIALECT.params(request, (*_SAMPLING, _FORMAT))
    tools, system = DIALECT.tools(conversation), DIALECT.system(conversation, {})
    return present(
        {
            "contents": list(_contents(conversation, model)),
            "generationConfig": _config(conversation, params, model) or None,
            "tools": [{"functionDeclarations": [_declared(tool) for tool in tools]}] if tools else None,
            "toolConfig": _choice(conversation) if tools else None,
            "systemInstruction": {"parts": [{"text": part.text} for part in system]} if system else None,
        }
    )


def _config(conversation: Conversation, params: Mapping[str, Any], model: str) -> dict[str, Any]:
    """How to answer."""
    schema = DIALECT.schema(params)
    return present(
        {
            "stopSequences": DIALECT.stops(conversation, blank=True),
            "temperature": conversation.temperature,
            "maxOutputTokens": conversation.max_tokens,
            "topP": conversation.top_p,
            **{name: params.get(member) for member, name in _SAMPLING.items()},
            "responseMimeType": "application/json" if _FORMAT in params else None,
            "responseJsonSchema": schema and schema["schema"],
            "thinkingConfig": thinking.written(conversation, model, DIALECT),
        }
    )


def _declared(tool: Tool) -> dict[str, Any]:
    declared = {"name": tool.name, "description": tool.description or None}
    return present({**declared, "parametersJsonSchema": tool.parameters or None})


def _choice(conversation: Conversation) -> dict[str, Any] | None:
    choice = conversation.tool_choice
    if choice is None or choice.mode not in _MODES:
        return None
    names = None if choice.name is None else [choice.name]
    return {"functionCallingConfig": present({"mode": _MODES[choice.mode], "allowedFunctionNames": names})}


def _contents(conversation: Conversation, model: str) -> Iterator[dict[str, Any]]:
    """The turns; what tools answered to the calls of one turn is a turn, and what the user says beside it another."""
    names = {use.id: use.name for message in conversation.messages for use in message.tool_uses}
    for role, messages in turns(conversation):
        if role is Role.ASSISTANT:
            if parts := _answered(messages, model):
                yield {"role": "model", "parts": parts}
            continue
        shown: list[Content] = []
        for answered, group in groupby(messages, lambda message: message.tool_call_id is not None):
            turn = list(group)
            if answered:
                yield {"role": "user", "parts": [_result(message, names) for message in turn]}
                shown = [part for message in turn for part in _shown(message)]
            else:
                parts = [*shown, *(part for message in turn for part in message.content)]
                yield {"role": "user", "parts": [_content(part) for part in parts]}
                shown = []
        if shown:
            yield {"role": "user", "parts": [_content(part) for part in shown]}


def _answered(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """What the model said; the first call of a turn says that it is of another model where nothing seals it."""
    for message in messages:
        DIALECT.only_text(message)
    parts = [_part(part) for message in messages for part in message.parts if not _foreign(part)]
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None and thinking.sealing(model):
        first.setdefault("thoughtSignature", UNSIGNED)
    return parts


def _foreign(part: Part) -> bool:
    """Whether *part* is a thought that only another provider's model can read."""
    return isinstance(part, Thought) and not (part.text or part.signature)


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Thought(text, signature):
            return present({"text": text, "thought": True if text else None, "thoughtSignature": signature})
        case ToolUse(called, name):
            call = {"id": called, "name": name, "args": DIALECT.arguments(part)}
            return present({"functionCall": call, "thoughtSignature": _signature(part)})
        case _:
            return _content(part)


def _signature(use: ToolUse) -> str | None:
    match use.extra:
        case {"google": {"thought_signature": str(signature)}}:
            return signature
        case _:
            return None


def _content(part: Content) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"text": text}
        case ImagePart(url):
            data = DIALECT.image(part)
            return _at(url, "url", "image_url") if data is None else _inline(*data)
        case FilePart(data):
            if data.startswith(("http://", "https://")):
                return _at(data, "file_data", "file")
            return _inline(*DIALECT.data("file_data", "file", data))


def _inline(kind: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _at(address: str, field: str, of: str) -> dict[str, Any]:
    """What is at an *address*, of the kind that it ends with."""
    kind = _KINDS.get(urlsplit(address).path.rpartition(".")[2].lower())
    if kind is None:
        endings = ", ".join(_KINDS)
        raise DIALECT.cannot(field, f"in object [{of}] is an address that does not end with one of [{endings}],")
    return {"fileData": {"mimeType": kind, "fileUri": address}}


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """What a tool answered: an object as it is, words as the output or the error."""
    called, text = message.tool_call_id or "", message.text
    try:
        answer: Any = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except NOT_JSON:
        answer = None
    if answer is None or message.failed:
        answer = {"error" if message.failed else "output": text}
    return {"functionResponse": {"id": called, "name": names.get(called, called), "response": answer}}


def _shown(message: Message) -> Sequence[Content]:
    """What a tool shows beside words, which have no place in its answer, under the name of its call."""
    shown = [part for part in message.content if not isinstance(part, TextPart)]
    return [TextPart(f"The result of the tool call {message.tool_call_id}:"), *shown] if shown else ()
