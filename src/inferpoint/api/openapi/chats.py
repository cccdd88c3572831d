"""Chats in OpenAI's form in OpenAPI: messages, tools and answers, which two faces have."""

from __future__ import annotations

from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    OBJECT,
    TEXT,
    TEXTS,
    WHOLE,
    Schema,
    asked,
    either,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.model.hints import Hint
from inferpoint.protocols.anthropic.requests import TOOL_HINTS
from inferpoint.protocols.openai.replies import OPAQUE, WORDS

STOP = either(TEXT, TEXTS, description="Words to stop at.")
MESSAGES = listed(ref("ChatMessage"), 1)
TOOLS = listed(ref("ChatTool"))
_CACHE = {Hint.CACHE.value: ANYTHING}
_SILENT = dict.fromkeys(
    ("refusal", "annotations", "audio", "function_call", "name", "provider_specific_fields"), ANYTHING
)
_FUNCTION_CALL = asked({"name": TEXT, "arguments": either(TEXT, OBJECT)})
_CALL = asked(
    {"id": TEXT, "function": _FUNCTION_CALL},
    {"type": ANYTHING, "index": ANYTHING, "extra_content": OBJECT, **_CACHE},
)
_PART = either(
    asked({"type": one_of("text"), "text": TEXT}, _CACHE, more=True),
    asked({"type": one_of("refusal"), "refusal": TEXT}, _CACHE, more=True),
    asked(
        {"type": one_of("image_url"), "image_url": asked({"url": TEXT}, {"detail": one_of("auto", "low", "high")})},
        _CACHE,
        more=True,
    ),
    asked({"type": one_of("file"), "file": asked({"file_data": TEXT}, {"filename": TEXT})}, _CACHE, more=True),
)
_THOUGHT = asked({"type": one_of("thinking"), "thinking": either(TEXT, listed(ANYTHING))}, more=True)
_BESIDE: dict[str, Schema] = {**_CACHE, **dict.fromkeys((*WORDS, *OPAQUE), ANYTHING), **_SILENT}
_CONTENT = either(TEXT, listed(ref("ChatPart")))
_NO_CALLS = listed(_CALL, maxItems=0)
_TURN = asked(
    {"role": one_of("developer", "system", "user")}, {"content": _CONTENT, "tool_calls": _NO_CALLS, **_BESIDE}
)
_ANSWER = asked(
    {"role": one_of("assistant")},
    {"content": either(TEXT, listed(either(ref("ChatPart"), _THOUGHT))), "tool_calls": listed(_CALL), **_BESIDE},
)
_RESULT = asked(
    {"role": one_of("tool"), "tool_call_id": TEXT}, {"content": _CONTENT, "tool_calls": _NO_CALLS, **_BESIDE}
)
_FUNCTION = asked(
    {"name": TEXT},
    {"description": TEXT, "parameters": OBJECT, "strict": FLAG, **_CACHE, **dict.fromkeys(TOOL_HINTS, ANYTHING)},
)
_TOLD_CALL = told(
    {"type": TEXT, "function": told({"name": TEXT, "arguments": TEXT})}, {"id": TEXT, "extra_content": OBJECT}
)
_TOLD_MESSAGE = told(
    {"role": one_of("assistant"), "content": {"type": ["string", "null"]}}, {"tool_calls": listed(_TOLD_CALL)}
)
_CHOICE = told({"index": COUNT, "message": _TOLD_MESSAGE, "finish_reason": TEXT})

CHATS: dict[str, Schema] = {
    "ChatMessage": either(
        _TURN, _ANSWER, _RESULT, description="A turn; one of a tool answers a call of a turn before it."
    ),
    "ChatPart": _PART,
    "ChatTool": asked({"function": _FUNCTION}, {**_CACHE, **dict.fromkeys(TOOL_HINTS, ANYTHING)}),
    "ChatToolChoice": either(
        one_of("auto", "none", "required"),
        asked({"type": one_of("function"), "function": asked({"name": TEXT}, more=True)}, more=True),
    ),
    "ChatUsage": told(
        {"completion_tokens": COUNT, "prompt_tokens": COUNT, "total_tokens": COUNT},
        {"prompt_tokens_details": OBJECT, "completion_tokens_details": OBJECT},
    ),
    "ChatCompletion": told(
        {"id": TEXT, "object": one_of("chat.completion"), "model": TEXT, "choices": listed(_CHOICE)},
        {"created": WHOLE, "usage": ref("ChatUsage")},
    ),
}
CHATS["ChatTool"]["properties"]["type"] = one_of("function")
