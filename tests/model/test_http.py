from __future__ import annotations

from typing import Any

import pytest

from inferpoint.model.http import json_call


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
