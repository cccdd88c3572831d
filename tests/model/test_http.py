from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, json_call, parse


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ({"a": None, "b": 1, "c": None}, b'{"b":1}'),
        ({"a": 0, "b": False, "c": "", "d": [], "e": {}}, b'{"a":0,"b":false,"c":"","d":[],"e":{}}'),
        ({"a": {"b": None}, "c": [None]}, b'{"a":{"b":null},"c":[null]}'),
    ],
)
def test_a_body_leaves_out_what_is_none(body: dict[str, Any], written: bytes) -> None:
    """Members of a body that are None are left out, and no others; what is inside of them goes as it is."""
    assert json_call("https://a.test", body).body == written


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@a.test/v1/x?key=secret#secret", "https://a.test/v1/x"),
        ("https://a.test?key=secret", "https://a.test/"),
        ("https://a.test/x#/secret?secret", "https://a.test/x"),
        ("local:embed", "local:embed"),
    ],
)
def test_a_call_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    """No user, parameter, fragment, header or body."""
    assert repr(Call(url, b"secret", {"authorization": "secret"})) == f"Call(POST {shown})"


@pytest.mark.parametrize("word", ["NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"])
def test_a_number_that_json_has_no_word_for_is_null(word: str) -> None:
    """As programs write it in Python and in C++; within strings the words stay what they are."""
    quoted = msgspec.json.encode({word: f'\\" {word}, {word} "'}).decode()
    assert parse(f'{{"a": [1, {word}], "b": {quoted}}}'.encode(), dict[str, Any], of="x") == {
        "a": [1, None],
        "b": msgspec.json.decode(quoted),
    }


@pytest.mark.parametrize("body", [b"", b"NaNs", b"[NaN", b'{"a": "NaN', b"nan nan", b'{"NaN": [}', b"[infinite]"])
def test_what_is_no_json_beside_is_unreadable(body: bytes) -> None:
    """Words for no number make no JSON of what is none."""
    with pytest.raises(InferenceError) as caught:
        parse(body, dict[str, Any], of="x")
    assert caught.value.kind is Kind.UNREADABLE
