"""Errors that providers, and proxies before them, answer with a status of success."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferpoint.model.http import Reply
from inferpoint.protocols import error_bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "slow", "code": 429}}, 429),
        ({"error": {"message": "slow", "code": "429"}}, 429),
        ({"error": {"message": "slow", "http_status_code": 503}}, 503),
        ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, 429),
        ({"error": {"message": "no", "type": "invalid_request_error", "code": None}}, 400),
        ({"error": {"message": "no", "type": "overloaded_error"}, "type": "error"}, 529),
        ({"error": {"message": "no", "type": "never heard of", "code": 200}}, 502),
        ({"error": {"message": "no", "code": 10**30}}, 502),
        ([{"error": {"message": "no", "code": 400, "status": "INVALID_ARGUMENT"}}], 400),
        ({"error": "too long", "error_type": "Validation"}, 400),
        ({"error": "busy", "error_type": "overloaded"}, 429),
        ({"error": ["a", "b"]}, 502),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, 400),
        ({"error_code": 336003, "error_msg": "at most 2"}, 502),
        ({"choices": [], "error": None}, 200),
        ({"choices": [], "error": {}}, 200),
        ({"choices": [{"message": {"content": 'said "error": {"code": 429}'}}]}, 200),
        ({"data": [], "object": "list", "error_code": 0, "error_msg": ""}, 200),
        ([{"error": None}, {"error": "no"}], 200),
        ([], 200),
    ],
    ids=str,
)
def test_an_error_stands_for_its_status(body: Any, status: int) -> None:
    """The code tells it, or the type; an error that tells none is the provider's failure, and an answer is none."""
    for success in (200, 201):
        reply = Reply(success, json.dumps(body).encode())
        assert error_bodies.status(reply) == (status if status != 200 else success)


@pytest.mark.parametrize("body", [b"", b'"error', b'{"error": ', b'"error"', b'[["error"]]', b'\xff"error'])
def test_what_is_no_error_has_its_own_status(body: bytes) -> None:
    """Whatever else comes is left to whoever reads answers."""
    assert error_bodies.status(Reply(200, body)) == 200


def test_only_small_bodies_of_success_are_looked_at() -> None:
    """A refusal has its status already, and an answer of some length is no error."""
    told = json.dumps({"error": {"code": 429, "message": "x" * error_bodies.LARGEST}}).encode()
    assert error_bodies.status(Reply(200, told)) == 200
    assert error_bodies.status(Reply(500, b'{"error": {"code": 429}}')) == 500
