"""What people met in the field, each as the answer that would have been right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from field_cases import Place, cases, judge

CHAT, SEARCH = cases("chat.json"), cases("search.json")


@pytest.mark.parametrize("case", CHAT)
def test_chat(case: Mapping[str, Any], place: Place) -> None:
    """Agents get what they need to go on, whatever they send and whatever a provider answers."""
    judge(case, place)


@pytest.mark.parametrize("case", SEARCH)
def test_search(case: Mapping[str, Any], place: Place) -> None:
    """Who embeds and ranks gets every vector that was paid, or is told what is wrong and with which text."""
    judge(case, place)
