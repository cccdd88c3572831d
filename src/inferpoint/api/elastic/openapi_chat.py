"""Elasticsearch's `chat_completion` in OpenAPI."""

from __future__ import annotations

from inferpoint.api.openapi import chats
from inferpoint.api.openapi.description import FLAG, NUMBER, TEXT, Schema, asked, one_of, ref, told

_REASONING = asked(
    {},
    {
        "effort": one_of("xhigh", "high", "medium", "low", "minimal", "none"),
        "summary": one_of("auto", "concise", "detailed"),
        "enabled": FLAG,
        "exclude": FLAG,
    },
    more=False,
    description="An `effort` is required, unless `enabled` is false.",
)

CHATS: dict[str, Schema] = {
    **chats.CHATS,
    "UnifiedChatRequest": asked(
        {"messages": chats.MESSAGES},
        {
            "model": TEXT,
            "max_completion_tokens": {"type": "integer", "minimum": 1},
            "stop": chats.STOP,
            "temperature": NUMBER,
            "top_p": NUMBER,
            "tools": chats.TOOLS,
            "tool_choice": ref("ChatToolChoice"),
            "reasoning": _REASONING,
        },
        more=False,
        description="A chat in OpenAI's form.",
        examples=[{"messages": [{"role": "user", "content": "How big is a whale?"}]}],
    ),
    "UnifiedChatError": told({"code": TEXT, "message": TEXT, "type": TEXT}, {"param": TEXT}),
}
