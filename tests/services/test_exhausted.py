"""Refusals that no waiting mends, though they come with the status of a rate limit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inferpoint import services
from inferpoint.model.http import Reply

ANTHROPICS = {"type": "rate_limit_error", "message": "You have reached your API usage limits."}


def openais(kind: str | None, code: str | None) -> Any:
    """A body of OpenAI's page of error codes."""
    return {"error": {"message": "You exceeded your current quota.", "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("service", "status", "said", "exhausted"),
    [
        ("openai", 429, openais("insufficient_quota", "insufficient_quota"), True),
        ("openai", 429, openais("insufficient_quota", None), True),
        ("openai", 429, openais(None, "insufficient_quota"), True),
        ("openai", 429, openais("insufficient_quota", "credit_balance_exhausted"), True),
        ("openai", 429, openais("insufficient_quota", "never_heard_of"), True),
        ("openai", 429, openais(None, "credit_balance_exhausted"), True),
        ("openai", 429, openais(None, "organization_spend_limit_exceeded"), True),
        ("openai", 429, openais(None, "organization_usage_limit_exceeded"), True),
        ("openai", 429, openais(None, "project_spend_limit_exceeded"), True),
        ("openai", 429, openais("billing_not_active", "billing_not_active"), True),
        ("openai", 429, openais("requests", "rate_limit_exceeded"), False),
        ("openai", 429, openais("tokens", "rate_limit_exceeded"), False),
        ("openai", 429, openais("rate_limit_error", "slow_down"), False),
        ("openai", 429, openais(None, None), False),
        ("openai", 503, openais("insufficient_quota", None), False),
        ("anthropic", 429, {**ANTHROPICS, "details": {"error_code": "enforced_spend_limit_reached"}}, True),
        ("anthropic", 429, {**ANTHROPICS, "details": {"error_code": "other"}}, False),
        ("anthropic", 429, {**ANTHROPICS, "details": {"error_code": 5}}, False),
        ("anthropic", 429, {**ANTHROPICS, "details": {}}, False),
        ("anthropic", 429, {**ANTHROPICS, "details": "enforced_spend_limit_reached"}, False),
        ("anthropic", 429, {**ANTHROPICS, "details": None}, False),
        ("anthropic", 429, ANTHROPICS, False),
        ("hugging_face", 429, {"error": "Model is overloaded", "error_type": "Overloaded"}, False),
        ("amazonbedrock", 429, {"message": "Too many requests"}, False),
    ],
)
def test_a_quota_that_is_used_up_for_good(service: str, status: int, said: Any, *, exhausted: bool) -> None:
    """The error body tells it from a rate that comes back."""
    tasks = services.find(service).tasks.values()
    body = {"type": "error", "error": said} if service == "anthropic" else said
    for failures in [task.failures for task in tasks]:
        assert failures.exhausted(failures.complaint(Reply(status, msgspec.json.encode(body)))) is exhausted
