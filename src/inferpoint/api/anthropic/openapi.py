"""Anthropic's face in OpenAPI."""

from __future__ import annotations

from typing import Any

from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    REFUSED,
    TEXT,
    TEXTS,
    WHOLE,
    Description,
    Parameter,
    Schema,
    asked,
    either,
    events,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.protocols.anthropic.requests import TOOL_HINTS

_CACHE: dict[str, Schema] = {"cache_control": asked({"type": one_of("ephemeral")}, {"ttl": TEXT, "scope": TEXT})}
_TEXT = asked({"type": one_of("text"), "text": TEXT}, {"citations": REFUSED, **_CACHE})
_BASE64 = asked({"type": one_of("base64"), "media_type": TEXT, "data": TEXT})
_URL = asked({"type": one_of("url"), "url": TEXT})
_PLAIN = asked({"type": one_of("text"), "media_type": TEXT, "data": TEXT})
_IMAGE = asked({"type": one_of("image"), "source": either(_BASE64, _URL)}, _CACHE)
_DOCUMENT = asked(
    {"type": one_of("document"), "source": either(_BASE64, _URL, _PLAIN)},
    {"title": TEXT, "citations": REFUSED, **_CACHE},
)
_SHOWN = either(_TEXT, _IMAGE, _DOCUMENT)
_RESULT = asked(
    {"type": one_of("tool_result"), "tool_use_id": TEXT},
    {"content": either(TEXT, listed(_SHOWN)), "is_error": FLAG, **_CACHE},
)
_USE = asked(
    {"type": one_of("tool_use"), "id": TEXT, "name": TEXT, "input": OBJECT},
    {"caller": {"const": {"type": "direct"}}, **_CACHE},
)
_THOUGHT = asked({"type": one_of("thinking"), "thinking": TEXT}, {"signature": TEXT})
_REDACTED = asked({"type": one_of("redacted_thinking"), "data": TEXT})
_TOOL = asked(
    {"name": TEXT, "input_schema": OBJECT},
    {
        "type": one_of("custom"),
        "description": TEXT,
        "strict": FLAG,
        **_CACHE,
        **dict.fromkeys(TOOL_HINTS, ANYTHING),
    },
)
_CHOICE = either(
    asked({"type": one_of("auto", "any", "none")}, {"disable_parallel_tool_use": FLAG}),
    asked({"type": one_of("tool"), "name": TEXT}, {"disable_parallel_tool_use": FLAG}),
)
_DISPLAY = {"display": one_of("summarized", "omitted")}
_THINKING = either(
    asked({"type": one_of("enabled"), "budget_tokens": WHOLE}, _DISPLAY),
    asked({"type": one_of("adaptive", "disabled")}, _DISPLAY),
)
_OUTPUT = asked({}, {"effort": TEXT, "format": asked({"type": one_of("json_schema"), "schema": OBJECT})})
_BODY: dict[str, Schema] = {
    "stream": FLAG,
    "system": either(TEXT, listed(_TEXT)),
    "tools": listed(_TOOL),
    "tool_choice": _CHOICE,
    "stop_sequences": TEXTS,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_k": WHOLE,
    "thinking": _THINKING,
    "output_config": _OUTPUT,
    "metadata": asked({}, {"user_id": TEXT}),
    "context_management": OBJECT,
    "service_tier": one_of("auto"),
    "cache_control": OBJECT,
}
_MESSAGES: dict[str, Any] = {
    "model": {**TEXT, "description": "The id of an endpoint."},
    "messages": listed(ref("Turn"), 1),
}
_EXAMPLE = {"model": "my-chat", "messages": [{"role": "user", "content": "How big is a whale?"}]}

_SCHEMAS: dict[str, Schema] = {
    "Turn": either(
        asked({"role": one_of("system"), "content": either(TEXT, listed(_SHOWN))}),
        asked({"role": one_of("user"), "content": either(TEXT, listed(either(_SHOWN, _RESULT)))}),
        asked(
            {
                "role": one_of("assistant"),
                "content": either(TEXT, listed(either(_SHOWN, _USE, _THOUGHT, _REDACTED))),
            }
        ),
    ),
    "MessagesRequest": asked({**_MESSAGES, "max_tokens": WHOLE}, _BODY, examples=[{**_EXAMPLE, "max_tokens": 100}]),
    "CountRequest": asked(
        _MESSAGES,
        {"max_tokens": WHOLE, **{name: form for name, form in _BODY.items() if name != "stream"}},
        examples=[_EXAMPLE],
    ),
    "Message": told(
        {
            "id": TEXT,
            "type": one_of("message"),
            "role": one_of("assistant"),
            "model": TEXT,
            "content": listed(told({"type": one_of("text", "thinking", "redacted_thinking", "tool_use")})),
            "stop_reason": one_of("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"),
            "stop_sequence": {"type": ["string", "null"]},
            "usage": told({"input_tokens": COUNT, "output_tokens": COUNT}),
        }
    ),
    "MessageEvents": events(
        "Anthropic's events, from `message_start` to `message_stop`; `ping` where a provider is silent."
    ),
    "TokenCount": told({"input_tokens": COUNT}),
    "AnthropicError": told(
        {"type": one_of("error"), "error": told({"type": TEXT, "message": TEXT}), "request_id": TEXT}
    ),
}

DESCRIPTION = Description(
    title="Anthropic",
    text="Anthropic's API: `model` is the id of an endpoint, or one of its aliases. All versions are taken.",
    schemas=lambda: _SCHEMAS,
    errors=("AnthropicError",),
    parameters={
        "anthropic-version": Parameter("Any version is taken.", TEXT, "2023-06-01", at="header"),
        "anthropic-beta": Parameter("Sent on to Anthropic, elsewhere a hint.", TEXT, at="header"),
        "beta": Parameter("Taken, and without a meaning.", TEXT),
    },
    common=("anthropic-version", "anthropic-beta", "beta"),
)
