"""When to come again, as providers write it into refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.http import Reply
from inferpoint.protocols import pauses

GOOGLE = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 34.074824224s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "10"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
        ],
    }
}
GROQ = (
    "Rate limit reached for model `llama3-70b-8192` in organization `org_01` on tokens per minute (TPM): Limit 6000,"
    " Used 5594, Requested 903. Please try again in {}. Visit https://console.groq.com/docs/rate-limits."
)
AZURE = "Requests to the ChatCompletions_Create Operation have exceeded call rate limit. Please retry after {}."


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GOOGLE, 34.074824224),  # its words are more exact than its details, which come after them
        ({"error": {"details": [GOOGLE["error"]["details"][1]]}}, 34),
        (
            {"error": {"message": json.dumps({"details": [GOOGLE["error"]["details"][1]]})}},
            34,
        ),  # as a gateway quotes it
        ([GOOGLE], 34.074824224),  # as a stream of Gemini's has it
        ({"error": {"message": GROQ.format("4.97s"), "type": "tokens", "code": "rate_limit_exceeded"}}, 4.97),
        ({"error": {"message": GROQ.format("2m59.56s")}}, 179.56),
        (
            {"error": {"message": "Rate limit reached for gpt-4o. Please try again in 120ms. Visit https://x.test"}},
            0.12,
        ),
        ({"error": {"message": "Limit: 3 / min. Please try again in 20s. Contact us"}}, 20),
        ({"error": {"code": "429", "message": AZURE.format("26 seconds")}}, 26),
        ({"error": {"code": "429", "message": AZURE.format("1 second")}}, 1),
        ({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 86400 seconds."}, 86400),
        ({"message": "Please retry after 500 milliseconds"}, 0.5),
        ({"detail": "Too many requests, retry in about 2 minutes"}, 120),
        ({"error": "Model gpt2 is currently loading", "estimated_time": 20.5}, 20.5),
        ({"error": {"message": "Rate limit reached, please try again later"}}, None),
        ({"error": {"message": "We tried again in 3 regions"}}, None),
        ({"error": {"message": "Please try again in 5 moons"}}, None),
        ({"error": {"message": "Do not retry in 20x"}}, None),
        ({}, None),
    ],
)
def test_what_a_refusal_says(body: Any, seconds: float | None) -> None:
    """As a duration, in words or as a member of an error's details; words without a time tell none."""
    for status in (429, 503):
        told = pauses.told(Reply(status, json.dumps(body).encode()))
        assert told == (None if seconds is None else pytest.approx(seconds))
    assert pauses.told(Reply(400, json.dumps(body).encode())) is None
    assert pauses.told(Reply(200, json.dumps(body).encode())) is None


@given(st.binary(max_size=200), st.sampled_from([b"", b"retry in ", b'"retryDelay": "', b"try again in 1"]))
def test_any_body_is_a_time_or_none(body: bytes, before: bytes) -> None:
    """Whatever it holds, and never a time that is no number of seconds."""
    told = pauses.told(Reply(429, before + body))
    assert told is None or 0 <= told < float("inf")


def test_a_body_that_is_no_refusal_is_not_read() -> None:
    """No refusal is so long."""
    assert pauses.told(Reply(429, b" " * 17_000 + b"retry in 3s")) is None
