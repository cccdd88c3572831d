from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from inferpoint.api.elastic.read import ParserWords
from inferpoint.errors import InferenceError
from inferpoint.model.fields import PLAIN, Fields, Vocabulary, read_object
from inferpoint.model.json_body import decoded
from inferpoint.protocols.openai.messages import _WORDS

BODY = {"text": "a", "count": 5, "half": 0.5, "on": True, "texts": ["a", "b"], "mixed": ["a", 1], "nothing": None}
TEXT = json.dumps(BODY, separators=(",", ":")).encode()
CUT = "Input data was truncated"


def problem(act: Callable[[Fields], Any], words: Vocabulary = PLAIN, of: str = "") -> str:
    """What is told when *act* reads the body."""
    with pytest.raises(InferenceError) as caught:
        act(Fields(BODY, of, words))
    return str(caught.value)


def test_members_are_read_as_their_types() -> None:
    """A member is its value, a null is absent, an integer is a number too, and one text stands for an array of one."""
    fields = Fields(BODY)
    assert (fields.take("count", float), fields.take("half", float), fields.take("on", bool)) == (5, 0.5, True)
    assert (fields.text_or_texts("text"), fields.text_or_texts("texts")) == (("a",), ("a", "b"))
    assert (fields.take("nothing", str), fields.any("nothing"), fields.texts("nowhere")) == (None, None, None)
    assert fields.rest() == {"mixed": ["a", 1]}


@pytest.mark.parametrize(
    ("name", "kind"), [("count", str), ("count", bool), ("on", int), ("on", float), ("half", int), ("text", list)]
)
def test_a_member_of_another_type_is_refused(name: str, kind: type[Any]) -> None:
    """True is no number, a number with a fraction is no integer, and nothing is made into what it is not."""
    assert problem(lambda fields: fields.take(name, kind)).startswith(f"[{name}] must be ")


@pytest.mark.parametrize(
    ("act", "plain", "parser", "chat"),
    [
        (
            lambda fields: fields.take("text", int),
            "[o.text] must be an integer",
            "[1:2] [P] text doesn't support values of type: VALUE_STRING",
            "Field [text] in object [o] is not of the expected type. Expected [Integer] but was [String]",
        ),
        (
            lambda fields: fields.only("text", "count", "half", "on"),
            "[o.texts], [o.mixed] are not supported",
            "[1:44] [P] [o] unknown field [texts]",
            "[o] contains unknown fields [texts, mixed]",
        ),
        (
            lambda fields: fields.texts("mixed"),
            "[o.mixed.1] must be a string",
            "[1:62] [P] failed to parse field [mixed]: entry [1] must be a string",
            "[o.mixed.1] must be a string",
        ),
        (
            lambda fields: fields.need("nothing", str),
            "[o.nothing] is required",
            "[o.nothing] is required",
            "Field [nothing] in object [o] is required but was not found",
        ),
    ],
)  # fmt: skip
def test_each_dialect_has_its_words(act: Callable[[Fields], Any], plain: str, parser: str, chat: str) -> None:
    """One reader refuses a member in the words of the dialect that it came in; plain ones stand in for none."""
    assert problem(act, PLAIN, "o") == plain
    assert problem(act, ParserWords(TEXT, "P"), "o") == parser
    assert problem(act, _WORDS, "o") == chat


@pytest.mark.parametrize(
    ("body", "plain", "parser"),
    [
        (b"", "The body is not JSON: it is empty", "request body is required"),
        (b" ", "The body is not JSON: it is empty", "request body is required"),
        (b"[]", "The body must be an object", "[1:1] the body must be a JSON object"),
        (
            b"{",
            "The body is not JSON: Input data was truncated",
            "[1:1] the body is not JSON: Input data was truncated",
        ),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, plain: str, parser: str) -> None:
    """No body, no JSON and no object are three errors, in the dialect's words."""
    for words, expected in ((PLAIN, plain), (ParserWords(body), parser)):
        with pytest.raises(InferenceError) as caught:
            read_object(decoded(body), words)
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (PLAIN, "o must be an object"),
        (_WORDS, "Object [o] is not of the expected type. Expected [Map] but was [Integer]"),
    ],
)
def test_what_is_no_object_has_no_members(words: Vocabulary, expected: str) -> None:
    """Fields of anything but an object are refused by the name of its place."""
    with pytest.raises(InferenceError) as caught:
        Fields(5, "o", words)
    assert str(caught.value) == expected
