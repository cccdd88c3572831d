"""The member `usage` of chats and embeddings in OpenAI's format, to a cost and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.model.results import Usage
from inferpoint.protocols.readers import count, members

# Where servers tell what a cache gave and took: OpenAI, OpenRouter, LiteLLM; DeepSeek and Moonshot beside the counts.
_CACHED = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")


def read(value: Any) -> Usage | None:
    """The cost that *value* tells, in whatever form a server tells it; None when it tells nothing that can be read."""
    told = members(value)
    output, prompt = _told(told, "completion_tokens"), _told(told, "prompt_tokens")
    if prompt is None and (total := _told(told, "total_tokens")) is not None:
        prompt = max(0, total - (output or 0))
    if prompt is None and output is None:
        return None
    details = {**told, **members(told["prompt_tokens_details"])} if "prompt_tokens_details" in told else told
    thought = (
        _first(members(told["completion_tokens_details"]), ("reasoning_tokens",))
        if "completion_tokens_details" in told
        else 0
    )
    return Usage(prompt or 0, output or 0, _first(details, _CACHED), thought, _first(details, _WRITTEN))


def written(used: Usage) -> dict[str, Any]:
    """The member `usage` in OpenAI's names; details are there when there is something to tell."""
    body: dict[str, Any] = {
        "completion_tokens": used.output,
        "prompt_tokens": used.input,
        "total_tokens": used.input + used.output,
    }
    if used.cached or used.cache_written:
        cache = {"cached_tokens": used.cached, "cache_write_tokens": used.cache_written}
        body["prompt_tokens_details"] = {name: tokens for name, tokens in cache.items() if tokens}
    if used.reasoning:
        body["completion_tokens_details"] = {"reasoning_tokens": used.reasoning}
    return body


def _first(details: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of the counts called *names* that is not 0."""
    for name in names:
        if name in details and (tokens := count(details[name])):
            return tokens
    return 0


def _told(members: Mapping[str, Any], name: str) -> int | None:
    return count(members[name]) if name in members else None
