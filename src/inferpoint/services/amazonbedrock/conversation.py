"""A conversation as the body of Converse, which is nearly the same for every provider's models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.model.chat import Conversation
from inferpoint.model.http import present
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.anthropic import thinking
from inferpoint.services.amazonbedrock import claude, words_only
from inferpoint.services.amazonbedrock.dialect import CLAUDE, DIALECT, cache_point
from inferpoint.services.amazonbedrock.messages import Messages
from inferpoint.services.amazonbedrock.tools import tools

_PARAMS = ("parallel_tool_calls", "response_format")


def request_body(request: InferenceRequest, provider: str) -> dict[str, Any]:
    """All that a conversation says, to a model of *provider*; `additionalModelRequestFields` may be extended."""
    conversation, params = request.conversation, DIALECT.params(request, _PARAMS)
    if provider in words_only.PROVIDERS:
        words_only.refuse_more(conversation, provider)
    stops = DIALECT.stops(conversation, blank=provider != CLAUDE)
    limits = {
        "maxTokens": conversation.max_tokens,
        "temperature": DIALECT.within_one("temperature", conversation.temperature),
        "topP": conversation.top_p,
        "stopSequences": stops,
    }
    config, native = tools(conversation, provider, sequential=DIALECT.sequential(params))
    body: dict[str, Any] = {
        "messages": Messages(provider).written(conversation),
        "system": _system(conversation, params),
        "inferenceConfig": present(limits),
        "toolConfig": config,
        "additionalModelRequestFields": native | claude.thinking(conversation.thinking),
        "additionalModelResponseFieldPaths": claude.STOP_SEQUENCE if stops and provider == CLAUDE else (),
        "outputConfig": _output(conversation, params),
    }
    if provider in words_only.PROVIDERS:
        words_only.fold(body)
    return {name: value for name, value in body.items() if value}


def _system(conversation: Conversation, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts = DIALECT.system(conversation, params)
    return [block for text in texts for block in ({"text": text.text}, *cache_point(text.cache))]


def _output(conversation: Conversation, params: Mapping[str, Any]) -> dict[str, Any]:
    config = present({"effort": thinking.effort(conversation.reasoning_effort, DIALECT)})
    if (asked := DIALECT.schema(params)) is not None:
        text = msgspec.json.encode(asked["schema"]).decode()
        schema = present({"schema": text, "name": asked.get("name"), "description": asked.get("description")})
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return config
