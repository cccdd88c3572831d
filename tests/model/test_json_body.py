"""Bodies are measured before they are built, and what JSON leaves open is decided."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model import json_body
from inferpoint.model.json_body import JsonBody, decoded, measured

_TEXTS = st.text(st.sampled_from('a"\\,:{}[]é😀\n'), max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


def counted(value: Any) -> tuple[int, int]:
    """The values and the members of *value*, itself among the values."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    parts = [counted(part) for part in inner]
    members = len(inner) if isinstance(value, dict) else 0
    return 1 + sum(values for values, _ in parts), members + sum(members for _, members in parts)


@given(_VALUES, st.booleans(), st.integers(1, 5))
def test_a_body_is_measured_without_building_it(value: Any, escaped: bool, piece: int) -> None:
    """Whatever its texts hold, and wherever its pieces end, the members are counted and no value is missed."""
    body = json.dumps(value, ensure_ascii=escaped).encode()
    values, members = counted(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_body, "_PIECE", piece)
        measure = measured(body)
    assert measure.members == members
    assert values <= measure.values + 1
    assert decoded(body) == JsonBody(value)


@pytest.mark.parametrize(
    ("text", "width"), [("a", 1), ("é", 1), ("漢", 2), ("😀", 4), ("\\u6f22", 2), ("\\ud83d\\ude00", 4), ("\\n", 1)]
)
def test_a_text_is_as_wide_as_its_widest_character(text: str, width: int) -> None:
    """One character that needs four bytes makes all of a text need four."""
    body = f'"{"a" * 1000}{text}"'.encode()
    assert measured(body).built == len(body) * width


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"a":1,"a":1}', "a"),
        ('{"a":":","b":{"c":[{"d":1,"d":2}]}}', "d"),
        ('[{"a":1},{"b":1,"b":2}]', "b"),
        ('{"input":1,"inp\\u0075t":2}', "input"),
        ('{"a":"{\\":","a":2}', "a"),
    ],
)
def test_a_member_twice_is_told(body: str, name: str) -> None:
    """A name that one object has twice is told, however it is written and wherever the object is."""
    assert decoded(body.encode()) == JsonBody(twice=name)


@pytest.mark.parametrize("body", ['{"a":{"a":1},"b":[{"a":1},{"a":":"}]}', '{"a":"x: y, \\"b\\": {"}', '{"":1," ":2}'])
def test_members_of_several_objects_may_share_a_name(body: str) -> None:
    """Only within one object is a name there twice."""
    assert decoded(body.encode()) == JsonBody(json.loads(body))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (rb'{"a":["x \ud83d"]}', r"\ud83d at line 1, column 10 is half a surrogate pair"),
        (b'{"a":\n "\\uDC00 more than enough text"}', r"\uDC00 at line 2, column 3 is half a surrogate pair"),
        (rb'"\ud83d\ude00 \\ud83d \ud83d\u0041 and more"', r"\ud83d at line 1, column 23 is half a surrogate pair"),
        (b"{", "Input data was truncated"),
    ],
)
def test_half_a_surrogate_pair_is_told_with_its_place(body: bytes, fault: str) -> None:
    """What a program cut in the middle of a character is not called a body that was cut."""
    assert decoded(body).fault == fault


@pytest.mark.parametrize(
    ("body", "read"), [(b"{}", JsonBody({})), (b"", JsonBody(empty=True)), (b" ", JsonBody(empty=True))]
)
def test_a_byte_order_mark_is_skipped(body: bytes, read: JsonBody) -> None:
    """A mark before a body, or before none, changes nothing."""
    assert decoded(body) == decoded(b"\xef\xbb\xbf" + body) == read
