"""What a service puts beside a call is carried behind the call's id, where a face has no other place for it."""

from __future__ import annotations

import re

import pytest

from inferpoint.api import sealed_calls

GEMINIS = {"google": {"thought_signature": "AY89a1+/=" * 100}}


def test_what_is_sealed_behind_an_id_is_found_there() -> None:
    """In letters, digits, `_` and `-`, which every client takes."""
    told = sealed_calls.sealed("call_1", GEMINIS)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", told)
    assert sealed_calls.opened(told) == ("call_1", GEMINIS)


@pytest.mark.parametrize("extra", [None, {}])
def test_an_id_without_anything_beside_it_stays_as_it_is(extra: dict[str, str] | None) -> None:
    """Whatever it looks like."""
    assert sealed_calls.sealed("call_1", extra) == "call_1"


@pytest.mark.parametrize("call_id", ["call_1", "a--sealed--", "a--sealed--é", "a--sealed--AAAA", "a--sealed--W10", ""])
def test_an_id_that_is_not_ours_is_whole(call_id: str) -> None:
    """Also one that looks as if something were behind it."""
    assert sealed_calls.opened(call_id) == (call_id, None)
