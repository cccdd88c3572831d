"""The providers' own SDKs send what we send, and understand of the recorded replies what we understand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sdk_judges import DOCUMENT, JUDGES, Judge, differences, row, verdicts

from inferpoint import services

IDS = [f"{judge.service}-{judge.package}" for judge in JUDGES]
judged = pytest.mark.parametrize("judge", JUDGES, ids=IDS)


@pytest.fixture
def installed(judge: Judge) -> Judge:
    """The judge, where it is installed."""
    if not judge.python.exists():
        pytest.skip(f"`make judges` installs {judge.environment}")
    return judge


@judged
def test_a_providers_own_client_sends_and_reads_the_same(installed: Judge) -> None:
    """Path, key, body and meaning are the same, but for what has a reason; and every reason is still needed."""
    seen = {difference for _, differing in verdicts(installed) for difference in differing}
    assert seen == set(installed.apart)


@judged
def test_the_table_says_what_was_judged(judge: Judge) -> None:
    """The judge's line in docs/judges.md is that of the recorded conversations and the locked version."""
    assert row(judge) in DOCUMENT.read_text("utf-8")


def test_every_service_has_a_judge_or_says_why_not() -> None:
    """A service that is added is judged, or is named among those that nobody judges."""
    text = DOCUMENT.read_text("utf-8")
    assert [name for name in services.names() if f"| `{name}` |" not in text and f"`{name}`" not in nobody(text)] == []


def nobody(text: str) -> str:
    """What is said of those that have no judge."""
    return text.partition("## What nobody judges")[2]


RIGHT: dict[str, Any] = {
    "path": "/v1/chat/completions",
    "headers": {"authorization": "Bearer sk-canary-0123456789"},
    "meaning": {"text": "", "tool_calls": [["call_1", "get_weather", '{"city":"Oslo"}']], "input": 20, "output": 5},
}


@pytest.mark.parametrize(
    ("planted", "difference"),
    [
        ({}, None),
        ({"path": "/v2/chat"}, "path"),
        ({"headers": {}}, "header authorization"),
        ({"body": {"max_tokens": 51}}, "max_tokens"),
        ({"body": {"random_seed": 1}}, "with random_seed"),
        ({"without": "top_p"}, "without top_p"),
        ({"meaning": {**RIGHT["meaning"], "text": "Cold."}}, "chat_completion 1 text"),
        ({"meaning": {**RIGHT["meaning"], "tool_calls": []}}, "chat_completion 1 tool_calls"),
        ({"meaning": {**RIGHT["meaning"], "output": 6}}, "chat_completion 1 output"),
        ({"error": "ValidationError: no"}, "chat_completion 1 not read"),
        ({"sent": None}, "chat_completion 1 not sent"),
    ],
)
def test_a_planted_fault_is_seen(planted: dict[str, Any], difference: str | None) -> None:
    """Whatever one part of what a client sends or reads is otherwise, the judge says which."""
    judge = next(judge for judge in JUDGES if judge.service == "mistral")
    exchange = next(exchange for exchange in judge.exchanges if exchange.of.kind.value == "chat_completion")
    verdict = json.loads(json.dumps({**RIGHT, **planted}))
    body = {**exchange.recording.call.body, **verdict.pop("body", {})}
    body.pop(verdict.pop("without", None), None)
    sent = {"path": verdict.pop("path"), "headers": verdict.pop("headers"), "body": body}
    assert list(differences(exchange, {"sent": sent, **verdict})) == ([difference] if difference else [])
