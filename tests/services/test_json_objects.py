"""Any JSON object as the form of an answer, asked of services whose APIs have no such form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from conversing import asking
from played import endpoint

from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.endpoint import TaskType

HI = {"role": "user", "content": "hi"}
RULES = {"role": "system", "content": "Be brief."}
AMAZON = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "model": "m"}
ANY_OBJECT = {"response_format": {"type": "json_object"}}


def chats(service: str, settings: Mapping[str, Any], **options: Any) -> Resolved:
    return endpoint(TaskType.CHAT_COMPLETION, service, dict(settings), options)


def sent(resolved: Resolved, *messages: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    stored = resolved.endpoint
    asked = asking({"messages": list(messages), **members})
    return json.loads(resolved.task.encode(asked, stored.settings, stored.options, "https://a.test").body)


CLAUDE = chats("anthropic", {"api_key": "k", "model_id": "m"}, max_tokens=9)
BEDROCK = chats("amazonbedrock", {**AMAZON, "provider": "anthropic"})
TITAN = chats("amazonbedrock", {**AMAZON, "provider": "amazontitan"})


@pytest.mark.parametrize("resolved", [CLAUDE, BEDROCK], ids=["anthropic", "amazonbedrock"])
def test_a_model_is_told_of_it_after_what_it_was_told(resolved: Resolved) -> None:
    """The system's last text asks for an object, and nothing else in the request says so."""
    plain, asked = sent(resolved, RULES, HI), sent(resolved, RULES, HI, **ANY_OBJECT)
    *before, told = asked["system"]
    assert before == plain["system"]
    assert "JSON object" in told["text"]
    assert {**asked, "system": before} == plain


def test_a_model_without_a_systems_turn_is_told_in_the_users() -> None:
    """Titan's models read everything in the user's first turn."""
    told, hi = sent(TITAN, HI, **ANY_OBJECT)["messages"][0]["content"]
    assert "JSON object" in told["text"]
    assert hi == {"text": "hi"}


@pytest.mark.parametrize("resolved", [CLAUDE, BEDROCK, TITAN], ids=["anthropic", "amazonbedrock", "titan"])
@pytest.mark.parametrize("name", ["prompt_cache_key", "prompt_cache_retention"])
def test_hints_to_a_cache_of_openai_reach_nobody_else(resolved: Resolved, name: str) -> None:
    """A hint changes no answer, so it stops no request."""
    assert sent(resolved, HI, **{name: "24h"}) == sent(resolved, HI)
