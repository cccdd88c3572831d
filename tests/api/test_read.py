from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.api.elastic import items
from inferpoint.api.elastic.errors import envelope
from inferpoint.api.elastic.read import inference, json_object, position
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import ANONYMOUS, InputType

EMBEDDING, COMPLETION = TaskType.TEXT_EMBEDDING, TaskType.COMPLETION
PARSE, REQUEST, ARGUMENT = (
    "x_content_parse_exception",
    "action_request_validation_exception",
    "illegal_argument_exception",
)
PARSER = "[cluster:internal/xpack/inference]"


def asking(body: Any, query: dict[str, str] | None = None) -> Request:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", "/_inference/e", {}, query or {}, {}, text, ANONYMOUS, "r")


def told(body: Any, kind: TaskType | None = None, query: dict[str, str] | None = None) -> tuple[int, str, str]:
    with pytest.raises(InferenceError) as caught:
        inference(asking(body, query), kind)
    said = envelope(caught.value)
    return said["status"], said["error"]["type"], said["error"]["reason"]


WRONG: list[tuple[Any, TaskType | None, str, str]] = [
    (b"", None, "parse_exception", "request body is required"),
    (b" \n", None, "parse_exception", "request body is required"),
    (b"[]", None, PARSE, "[1:1] the body must be a JSON object"),
    (b'"x"', None, PARSE, "[1:1] the body must be a JSON object"),
    ({}, None, REQUEST, "Validation Failed: 1: Field [input] cannot be null;"),
    ({"input": None}, None, REQUEST, "Validation Failed: 1: Field [input] cannot be null;"),
    ({"input": []}, None, REQUEST, "Validation Failed: 1: Field [input] cannot be an empty array;"),
    (
        {"input_type": "search"}, COMPLETION, REQUEST,
        "Validation Failed: 1: Field [input] cannot be null;"
        "2: Field [input_type] cannot be specified for task type [completion];",
    ),
    ({"input": "x", "nope": 1}, None, PARSE, f"[1:16] {PARSER} unknown field [nope]"),
    (b'{\n  "input": "x",\n  "query": 1}', None, PARSE, f"[3:3] {PARSER} unknown field [query]"),
    ({"input": 5}, None, PARSE, f"[1:2] {PARSER} input doesn't support values of type: VALUE_NUMBER"),
    ({"input": {"a": 1}}, None, PARSE, f"[1:2] {PARSER} input doesn't support values of type: START_OBJECT"),
    ({"input": True}, None, PARSE, f"[1:2] {PARSER} input doesn't support values of type: VALUE_BOOLEAN"),
    ({"input": ["a", 1]}, None, PARSE, f"[1:2] {PARSER} failed to parse field [input]: entry [1] must be a string"),
    ({"input": [["a"]]}, None, PARSE, f"[1:2] {PARSER} failed to parse field [input]: entry [0] must be a string"),
    (
        {"input": "x", "task_settings": []}, None, PARSE,
        f"[1:16] {PARSER} task_settings doesn't support values of type: START_ARRAY",
    ),
    ({"input": "x", "input_type": "internal_search"}, None, ARGUMENT, "Unrecognized input_type [internal_search]"),
    ({"input": "x", "input_type": "fun"}, EMBEDDING, ARGUMENT, "Unrecognized input_type [fun]"),
    (
        {"input": "x", "input_type": 1}, None, PARSE,
        f"[1:16] {PARSER} input_type doesn't support values of type: VALUE_NUMBER",
    ),
    (
        {"input": "x", "timeout": 30}, None, PARSE,
        f"[1:16] {PARSER} timeout doesn't support values of type: VALUE_NUMBER",
    ),
    (
        {"input": "x", "timeout": "30"}, None, ARGUMENT,
        "failed to parse setting [timeout] with value [30] as a time value: unit is missing or unrecognized",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "name", "reason"), WRONG, ids=[str(case[0])[:50] for case in WRONG])
def test_a_wrong_body_has_elasticsearchs_words(body: Any, kind: TaskType | None, name: str, reason: str) -> None:
    """What is wrong with a request is a 400 that says what and where."""
    assert told(body, kind) == (400, name, reason)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_body_or_an_error(text: bytes) -> None:
    """Whatever bytes come, they are an object or a 400."""
    try:
        assert isinstance(json_object(asking(text)), dict)
    except InferenceError as error:
        assert envelope(error)["status"] == 400


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b'{"a":"\\ud800"}', b'{"a":1}x', b'{"a":' + b"9" * 6000 + b"}"],
)
def test_bodies_made_to_hurt_are_errors(text: bytes) -> None:
    """Depth, broken Unicode and endless numbers are errors of the caller's."""
    with pytest.raises(InferenceError) as caught:
        json_object(asking(text))
    assert envelope(caught.value)["status"] == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("input", "input_type", "task_settings", "timeout")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, "other{0}"), JSON)),
    st.sampled_from([None, EMBEDDING, COMPLETION]),
)
def test_any_object_is_a_request_or_an_error(body: dict[str, Any], kind: TaskType | None) -> None:
    """Whatever stands in whatever field, it is a request or a 400."""
    try:
        found = inference(asking(body), kind)
    except InferenceError as error:
        assert envelope(error)["status"] == 400
    else:
        assert all(isinstance(text, str) for text in found.texts)


def test_a_text_is_a_list_of_one() -> None:
    """One string and many are both read, in their order; an empty string is one too."""
    assert inference(asking({"input": "a"}), None).texts == ("a",)
    assert inference(asking({"input": ["b", "", "a"]}), None).texts == ("b", "", "a")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("search", InputType.SEARCH),
        (" Ingest", InputType.INGEST),
        ("CLUSTERING", InputType.CLUSTERING),
        ("unspecified", None),
        (None, None),
    ],
)
def test_input_types_are_read_in_any_case(word: str | None, expected: InputType | None) -> None:
    """Elasticsearch's words in any case; `unspecified` is none."""
    assert inference(asking({"input": "a", "input_type": word}), EMBEDDING).input_type is expected


def test_kibana_says_the_input_type_among_the_task_settings() -> None:
    """There it is understood for embeddings; at the top it wins, and it never becomes an unknown setting."""
    options = {"input_type": "search", "user": "u"}
    for body, expected in (
        ({"task_settings": options}, InputType.SEARCH),
        ({"task_settings": options, "input_type": "ingest"}, InputType.INGEST),
        ({"task_settings": options, "input_type": "unspecified"}, InputType.SEARCH),
    ):
        for kind in (None, EMBEDDING):
            found = inference(asking({"input": "a", **body}), kind)
            assert (found.input_type, found.options) == (expected, {"user": "u"})
    assert inference(asking({"input": "a", "task_settings": options}), COMPLETION).options == options


def test_the_timeout_of_the_query_goes_first() -> None:
    """Both places are read; the address wins."""
    assert inference(asking({"input": "a", "timeout": "2m"}), None).timeout == 120
    assert inference(asking({"input": "a", "timeout": "2m"}, {"timeout": "500ms"}), None).timeout == 0.5
    assert inference(asking({"input": "a"}), None).timeout is None


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (b'{"a":1}', "a", "[1:2]"),
        (b'{\n\n   "a" : 1}', "a", "[3:4]"),
        (b'{"b":1,\r\n"a":2}', "a", "[2:1]"),
        (b"{}", "a", "[1:1]"),
        ('{"ü":1, "a": 2}'.encode(), "a", "[1:10]"),
    ],
)
def test_places_are_lines_and_columns(body: bytes, name: str, expected: str) -> None:
    """A field is found by line and column, both counted from one."""
    assert position(body, name) == expected


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (["a", None], "entry [1] must be a string or an object"),
        (["a", {"type": "text"}], "entry [1] must be a string or an object"),
        (["a", "b", {"type": "text", "value": 5}], "the [value] of entry [2] must be a string"),
    ],
)
def test_a_wrong_document_is_named_by_its_place(entries: list[Any], problem: str) -> None:
    """One null among many, from an empty cell, is found without counting."""
    with pytest.raises(InferenceError, match=re.escape(problem)):
        items.documents(entries, [])
