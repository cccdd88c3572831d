"""Answers and states of batches as the providers document them, read as the replies of calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferpoint.errors import Upstream
from inferpoint.model.batches import Ended, PlannedBatch, Waiting
from inferpoint.model.http import Call, Reply
from inferpoint.protocols.batches import Batches, same_form
from inferpoint.services.amazonbedrock.embeddings import EMBED as BEDROCK
from inferpoint.services.anthropic import COMPLETE as ANTHROPIC
from inferpoint.services.openai import EMBED as OPENAI

TASKS = {"openai": OPENAI, "anthropic": ANTHROPIC, "bedrock": BEDROCK}
BATCH = {"id": "batch_abc123", "object": "batch", "input_file_id": "file-abc123", "created_at": 1714508499}
ANTHROPIC_BATCH = {"id": "msgbatch_1", "type": "message_batch", "created_at": "2024-08-20T18:37:24.100435Z"}
JOB = {"jobArn": "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghi123"}
BODY = {"error": {"message": "too long", "type": "invalid_request_error", "param": "input", "code": None}}
EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def batches(provider: str) -> Batches[Any]:
    found = TASKS[provider].batches
    assert found is not None
    return found


def reply(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())


# https://platform.openai.com/docs/guides/batch, https://github.com/openai/openai-openapi/issues/302,
# https://docs.anthropic.com/en/docs/build-with-claude/batch-processing,
# https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html
@pytest.mark.parametrize(
    ("provider", "line", "told"),
    [
        (
            "openai",
            {"custom_id": "a", "response": {"status_code": 200, "body": {"data": []}}, "error": None},
            (200, ""),
        ),
        (
            "openai",
            {"custom_id": "a", "response": {"status_code": 400, "body": BODY}, "error": None},
            (400, "too long"),
        ),
        ("openai", {"custom_id": "a", "response": None, "error": EXPIRED}, (502, EXPIRED["message"])),
        ("anthropic", {"custom_id": "a", "result": {"type": "succeeded", "message": {"id": "msg"}}}, (200, "")),
        ("anthropic", {"custom_id": "a", "result": {"type": "errored", "error": OVERLOADED}}, (529, "Overloaded")),
        (
            "anthropic",
            {"custom_id": "a", "result": {"type": "canceled"}},
            (504, "The request was canceled before it was answered"),
        ),
        ("bedrock", {"recordId": "a", "modelInput": {}, "modelOutput": {"embedding": [1]}}, (200, "")),
        (
            "bedrock",
            {"recordId": "a", "modelInput": {}, "error": {"errorCode": 400, "errorMessage": "bad request"}},
            (400, "bad request"),
        ),
        (
            "bedrock",
            {"recordId": "a", "error": {"errorCode": "ThrottlingException", "errorMessage": "slow"}},
            (429, "slow"),
        ),
    ],
)
def test_a_line_is_read_as_a_reply(provider: str, line: dict[str, Any], told: tuple[int, str]) -> None:
    """With the status, and with a body that the task's own complaint reads."""
    name, answer = batches(provider).answer(json.dumps(line).encode())
    complaint = "" if answer.status == 200 else TASKS[provider].failures.complaint(answer).message
    assert (name, answer.status, complaint) == ("a", *told)


FULL = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}


@pytest.mark.parametrize(
    ("provider", "told", "state"),
    [
        ("openai", {**BATCH, "status": "validating", "request_counts": None}, Waiting()),
        (
            "openai",
            {**BATCH, "status": "in_progress", "request_counts": {"total": 5, "completed": 2, "failed": 1}},
            Waiting(2, 1, 5),
        ),
        (
            "openai",
            {**BATCH, "status": "completed", "output_file_id": None, "error_file_id": "file-err"},
            Ended(("file-err",), sent="file-abc123"),
        ),
        (
            "openai",
            {**BATCH, "status": "expired", "output_file_id": "file-out", "error_file_id": "file-err"},
            Ended(("file-out", "file-err"), sent="file-abc123"),
        ),
        (
            "openai",
            {**BATCH, "status": "failed", "errors": {"object": "list", "data": [FULL]}},
            Ended(refusal=Upstream(429, FULL["message"] or "", code=FULL["code"]), sent="file-abc123"),
        ),
        (
            "anthropic",
            {**ANTHROPIC_BATCH, "processing_status": "canceling", "request_counts": {"processing": 3}},
            Waiting(total=3),
        ),
        (
            "anthropic",
            {**ANTHROPIC_BATCH, "processing_status": "ended", "request_counts": {"succeeded": 2, "expired": 1}},
            Ended(("results",), 3),
        ),
        ("bedrock", {**JOB, "status": "Scheduled"}, Waiting()),
        ("bedrock", {**JOB, "status": "PartiallyCompleted", "successRecordCount": 7}, Ended(("lines.jsonl",), 7)),
        ("bedrock", {**JOB, "status": "Expired"}, Ended()),
        ("bedrock", {**JOB, "status": "Failed", "message": "too few"}, Ended(refusal=Upstream(400, "too few"))),
    ],
)
def test_a_state_is_told(provider: str, told: dict[str, Any], state: Waiting | Ended) -> None:
    """Also those that mean something else than they seem: completed without answers, and failed for a full queue."""
    assert batches(provider).state(reply(told)) == state


def test_a_full_queue_is_told_from_other_refusals() -> None:
    """OpenAI has too many tokens, Bedrock too many jobs; what is wrong with a file is neither."""
    assert batches("openai").is_full(Upstream(429, code="token_limit_exceeded"))
    assert batches("bedrock").is_full(Upstream(400, type="ServiceQuotaExceededException"))
    for provider in TASKS:
        assert batches(provider).is_full(Upstream(429))
        assert not batches(provider).is_full(Upstream(400, code="invalid_json_line", type="ValidationException"))


def test_lines_of_a_batch_go_to_one_model() -> None:
    """Calls to another address, or with other headers, are in no batch together."""
    calls = [Call("https://a.test/x", b"1"), Call("https://a.test/x", b"2")]
    assert same_form(calls) is calls[0]
    for other in (Call("https://a.test/y"), Call("https://a.test/x", headers={"anthropic-beta": "b"})):
        with pytest.raises(Exception, match="must be of one model"):
            same_form([*calls, other])


def test_what_is_written_down_of_a_batch_is_read_again() -> None:
    """With its ids, of which every provider takes each."""
    batch = PlannedBatch("job-1", {0: [2, 1], 7: [3]}, 3, 1.5, "batch_1")
    assert batch.ids(7) == ["job-1-7-0"]
    assert batch.inputs == 6
    assert batch.is_of("job-1-0-1")
    assert not batch.is_of("job-12-0-1")
