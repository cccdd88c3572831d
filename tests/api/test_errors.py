from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import post
from msgspec.structs import replace
from world import EMBEDDING, World, openai

import inferpoint
from inferpoint.api.elastic import errors
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Kind, Subject, Upstream, invalid, kind_of_status
from inferpoint.model.http import Reply
from inferpoint.model.privileges import MONITOR
from inferpoint.model.requests import ANONYMOUS, Caller

MakeWorld = Callable[..., World]


def asking(**query: str) -> Request:
    return Request("GET", "/x", {}, query, {}, b"", ANONYMOUS, "r")


def raised(error: InferenceError, cause: InferenceError | None = None) -> InferenceError:
    try:
        raise error from cause
    except InferenceError as caught:
        return caught


def test_an_error_is_its_own_root() -> None:
    """Without a cause the root cause repeats the error."""
    said = {"type": "status_exception", "reason": "no"}
    assert errors.envelope(invalid("no")) == {"error": {"root_cause": [said], **said}, "status": 400}


def test_causes_are_nested_and_the_innermost_is_the_root() -> None:
    """Each cause is inside what it caused; the status is the outermost's."""
    inner = raised(InferenceError(Kind.UNAUTHENTICATED, "key", upstream=Upstream(401, "key")))
    middle = raised(invalid("a", "b", subject=Subject.SETTINGS), inner)
    outer = raised(InferenceError(Kind.CONFLICT, "top"), middle)
    root = {"type": "status_exception", "reason": "key"}
    assert errors.envelope(outer) == {
        "error": {
            "root_cause": [root],
            "type": "status_exception",
            "reason": "top",
            "caused_by": {
                "type": "validation_exception",
                "reason": "Validation Failed: 1: a;2: b;",
                "caused_by": root,
            },
        },
        "status": 409,
    }


def test_an_exception_of_another_kind_is_no_cause() -> None:
    """What Python raised underneath is nobody's business outside."""
    error = invalid("no")
    error.__cause__ = ValueError("a secret")
    assert "secret" not in str(errors.envelope(error, trace=True))


def test_a_trace_is_shown_where_it_is_asked_for() -> None:
    """`error_trace` adds where each error was raised."""
    error = raised(invalid("no"), raised(invalid("inner")))
    for query, shown in (({"error_trace": "true"}, True), ({"error_trace": ""}, True), ({}, False)):
        said = json.loads(errors.fail(error, asking(**query)).body)["error"]
        assert ("stack_trace" in said) is shown
        assert ("stack_trace" in said["caused_by"]) is shown
        assert "test_errors" in str(said.get("stack_trace", "test_errors"))


def test_a_trace_is_for_administrators(world: World) -> None:
    """Whoever may only ask is shown none; who manages is shown where the walk of a request ended."""
    asked = asking(error_trace="true")
    looking = replace(asked, caller=Caller("looking", frozenset({MONITOR})))
    assert b"stack_trace" in errors.fail(raised(invalid("no")), asked).body
    assert b"stack_trace" not in errors.fail(raised(invalid("no")), looking).body
    told = post(world, "/_inference/none?error_trace", {"input": "x"}).json["error"]
    assert "directory.py" in told["stack_trace"]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_word_and_a_status(kind: Kind) -> None:
    """No error is without an answer; a provider's status below 500 is mirrored, others are a 400."""
    subject = Subject.NONE
    assert 400 <= errors.status(InferenceError(kind, "x", subject=subject)) < 600
    assert errors.envelope(InferenceError(kind, "x"))["error"]["type"].endswith("_exception")
    for given, told in ((301, 301), (404, 404), (429, 429), (500, 400), (503, 400), (529, 400)):
        assert errors.status(InferenceError(kind, "x", upstream=Upstream(given))) == told


@pytest.mark.parametrize(
    ("status", "told"), [(301, 301), (304, 400), (400, 400), (404, 404), (429, 429), (499, 499), (500, 400), (529, 400)]
)
def test_a_providers_status_is_told_where_an_answer_may_have_it(make_world: MakeWorld, status: int, told: int) -> None:
    """Below 500 it is the provider's own, but for 304, after which no client expects a body; its 5xx are a 400."""
    world = make_world(lambda _: Reply(status), validate=False)
    world.create("e", EMBEDDING, openai())
    answer = post(world, "/_inference/e", {"input": "x"})
    assert (answer.status, answer.json["status"]) == (told, told)
    assert f"status [{status}]" in answer.json["error"]["reason"]


def test_every_subject_that_is_raised_has_a_word() -> None:
    """Whatever subject some line of the source gives to an error, the table has it."""
    source = Path(inferpoint.__file__).parent
    raised_somewhere = {
        node.value.attr
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "subject" and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name) and node.value.value.id == "Subject"
    }  # fmt: skip
    assert raised_somewhere
    known = {subject.name for subject in errors._OF_SUBJECTS}
    assert raised_somewhere <= known


@pytest.mark.parametrize(
    ("seconds", "header"), [(None, None), (0.2, "1"), (1.0, "2"), (59.5, "60"), (60.0, "60"), (86_400, "86400")]
)
def test_when_to_come_again_is_told_in_whole_seconds(seconds: float | None, header: str | None) -> None:
    """The header is a number of whole seconds, at least one, and not less than what is asked."""
    found = errors.fail(InferenceError(Kind.RATE_LIMITED, "x", retry_after=seconds), asking()).headers
    assert ("retry-after" in found) == (seconds is not None)
    if seconds is not None:
        assert int(found["retry-after"]) >= math.ceil(seconds)
        assert int(found["retry-after"]) <= seconds + 2


def test_statuses_stand_for_kinds() -> None:
    """A provider's status says what sort of thing went wrong."""
    pairs = {400: "invalid", 401: "unauthenticated", 404: "not_found", 429: "rate_limited", 503: "overloaded",
             500: "internal", 418: "invalid", 408: "timed_out", 529: "overloaded", 302: "invalid"}  # fmt: skip
    assert {status: kind_of_status(status).value for status in pairs} == pairs


def test_an_error_of_a_stream_is_one_event() -> None:
    """Before the first piece an error has its status and one event; in the middle it is the last event."""
    answer = errors.fail_stream(InferenceError(Kind.NOT_FOUND, "none"))
    assert (answer.status, answer.content_type) == (404, "text/event-stream")
    name, data, *rest = answer.body.decode().split("\n")
    assert (name, rest) == ("event: error", ["", ""])
    assert json.loads(data.removeprefix("data: "))["status"] == 404
