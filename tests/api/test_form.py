from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.api.elastic import errors
from inferpoint.api.elastic.form import check, filtered, finish, flag
from inferpoint.api.elastic.routes import FACE
from inferpoint.api.face import EVENT_STREAM, JSON, Request, Response
from inferpoint.errors import InferenceError, Subject
from inferpoint.model.requests import ANONYMOUS

TREE = {"a": {"b": 1, "c": {"d": [1, 2]}, "bc": None}, "l": [{"x": 1, "y": 2}, {"y": 3}, 4], "dotted.name": 5}


def asking(query: dict[str, str] | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/_inference", {}, query or {}, named, b"", ANONYMOUS, "r")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("a.b", {"a": {"b": 1}}),
        ("a", {"a": TREE["a"]}),
        ("a.b*", {"a": {"b": 1, "bc": None}}),
        ("*.b", {"a": {"b": 1}}),
        ("**.d", {"a": {"c": {"d": [1, 2]}}}),
        ("a.**", {"a": TREE["a"]}),
        ("**", TREE),
        ("*", TREE),
        ("l.x", {"l": [{"x": 1}]}),
        ("l.y,a.b", {"l": [{"y": 2}, {"y": 3}], "a": {"b": 1}}),
        (r"dotted\.name", {"dotted.name": 5}),
        ("dotted.name", {}),
        ("nothing", {}),
        ("-a,-l", {"dotted.name": 5}),
        ("-a.c", {**TREE, "a": {"b": 1, "bc": None}}),
        ("-**.y", {**TREE, "l": [{"x": 1}, 4]}),
        ("a,-a.c", {"a": {"b": 1, "bc": None}}),
        ("-*", {}),
        ("", TREE),
        (" a.b , l.x", {"a": {"b": 1}, "l": [{"x": 1}]}),
    ],
)
def test_filter_path_keeps_and_leaves_out(paths: str, expected: Any) -> None:
    """Paths are kept, or left out with a minus; `*` stands for names, `**` for levels."""
    assert filtered(TREE, paths.split(",")) == expected


JSON_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES, st.lists(st.text("abc.*-\\", max_size=8), max_size=4))
def test_any_filter_gives_a_part_of_the_answer(value: Any, paths: list[str]) -> None:
    """Whatever the paths, what is left is in the answer, in its place."""
    assert _within(filtered(value, paths), value)


def _within(part: Any, whole: Any) -> bool:
    if part in (whole, {}):
        return True
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(inner, whole[name]) for name, inner in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        rest = iter(whole)
        return all(any(_within(inner, each) for each in rest) for inner in part)
    return False


@pytest.mark.parametrize(
    "path",
    ["*" * 40 + "x", "**." * 400 + "x", "*a" * 12 + "x", ".".join(["**", "*"] * 60), "**." * 5000, "a." * 5000],
    ids=lambda path: path[:12],
)
def test_no_filter_takes_long(path: str) -> None:
    """A path made to be slow is not: stars that say nothing more are one star."""
    deep: Any = {"text_embedding": 1, "aaaaaaaaaaaaaaaaaaaaa": 1}
    for _ in range(8):
        deep = {"text_embedding": deep, "aaaaaaaaaaaaaaaaaaaaa": [deep]}
    began = time.process_time()
    filtered(deep, [path])
    filtered(deep, ["-" + path])
    assert time.process_time() - began < 2


def test_pretty_is_indented() -> None:
    """`pretty`, with or without a value, indents and ends the line; `pretty=false` does not."""
    answer = Response(body=b'{"a":{"b":1}}')
    for value in ("", "true"):
        assert finish(answer, asking({"pretty": value})).body == b'{\n  "a": {\n    "b": 1\n  }\n}\n'
    assert finish(answer, asking({"pretty": "false"})).body == answer.body


V8, V9 = (f"application/vnd.elasticsearch+json;compatible-with={major}" for major in (8, 9))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/vnd.elasticsearch+json; compatible-with=8", V8),
        (V9, V9),
        ("text/html, Application/VND.Elasticsearch+JSON; compatible-with = 9", V9),
        ("application/vnd.elasticsearch+json; compatible-with=7", JSON),
        ("application/json", JSON),
        ("*/*", JSON),
        ("", JSON),
    ],
)  # fmt: skip
def test_the_vendors_media_type_is_answered_in_kind(accept: str, content_type: str) -> None:
    """Who asks for the vendor's type of version 8 or 9 gets it; everybody else gets JSON."""
    assert finish(Response(), asking(accept=accept)).content_type == content_type


def test_an_opaque_id_comes_back() -> None:
    """An opaque id comes back as it came, and a stream keeps its type."""
    found = finish(Response(content_type=EVENT_STREAM, headers={"a": "b"}), asking(x_opaque_id="ü 1"))
    assert found.headers == {"a": "b", "x-opaque-id": "ü 1"}
    assert found.content_type == EVENT_STREAM


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.elasticsearch+json; compatible-with=8",
                                          "APPLICATION/JSON;charset=utf-8", " application/json "])  # fmt: skip
def test_bodies_of_json_are_read(content_type: str) -> None:
    """JSON and the vendor's JSON are what a body may be."""
    [put] = [route for route in FACE.routes if (route.method, route.path) == ("PUT", "/_inference/{inference_id}")]
    check(asking(content_type=content_type), put)
    check(asking(), put)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "", "application/jsonx", "application/x-ndjson"]
)
def test_other_bodies_are_a_406(content_type: str) -> None:
    """A body of another type is refused before it is read."""
    [put] = [route for route in FACE.routes if (route.method, route.path) == ("PUT", "/_inference/{inference_id}")]
    with pytest.raises(InferenceError) as caught:
        check(asking(content_type=content_type), put)
    assert caught.value.subject is Subject.MEDIA_TYPE
    assert str(caught.value) == f"Content-Type header [{content_type}] is not supported"
    response = errors.fail(caught.value, asking(content_type=content_type))
    assert (response.status, json.loads(response.body)) == (406, {"error": str(caught.value), "status": 406})


def test_parameters_that_nobody_knows_are_refused() -> None:
    """One or several, each is named; what all routes take is taken."""
    get = FACE.routes[0]
    common = {"pretty": "", "human": "", "error_trace": "true", "filter_path": "a", "format": "json"}
    check(asking(common), get)
    for query, text in (
        ({"a": ""}, "request [/_inference] contains unrecognized parameter: [a]"),
        ({"a": "", "timeout": "1s"}, "request [/_inference] contains unrecognized parameters: [a], [timeout]"),
    ):
        with pytest.raises(InferenceError) as caught:
            check(asking(query), get)
        assert str(caught.value) == text


def test_flags_are_true_or_false() -> None:
    """A flag without a value is true; any other word is refused in Elasticsearch's words."""
    assert [flag(query, "x") for query in ({}, {"x": ""}, {"x": "true"}, {"x": "false"})] == [False, True, True, False]
    with pytest.raises(
        InferenceError, match=r"Failed to parse value \[yes\] as only \[true\] or \[false\] are allowed."
    ):
        flag({"x": "yes"}, "x")


@pytest.mark.parametrize("name", ["pretty", "human", "error_trace"])
def test_a_flag_that_is_none_is_refused_and_still_answered(name: str) -> None:
    """A wrong `pretty` is a 400 like any other wrong parameter, and the answer that says so can be written."""
    wrong = asking({name: "maybe"})
    with pytest.raises(InferenceError) as caught:
        check(wrong, FACE.routes[0])
    answer = finish(FACE.fail(caught.value, wrong), wrong)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["type"] == "illegal_argument_exception"
