from __future__ import annotations

import re
from typing import Any

import pytest
from world import KEY, World, openai

from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.storage.vault import Vault

EMBEDDING, CHAT = TaskType.TEXT_EMBEDDING, TaskType.CHAT_COMPLETION
PRICE = {"usd_per_million_input_tokens": 0.02}


def test_a_price_is_kept_and_shown_and_changed_without_a_call(world: World) -> None:
    """An endpoint has the price that its owner gave it, and an update replaces it or takes it away; nobody is asked."""
    world.create("e", EMBEDDING, openai(price=PRICE))
    assert world.get("e")["price"] == PRICE
    again = Endpoints(world.store, Vault(KEY))
    world.run(again.load())
    assert again.find("e").endpoint == world.endpoints.find("e").endpoint
    world.provider.calls.clear()
    world.update("e", {"price": {"usd_per_thousand_calls": 1}})
    assert world.get("e")["price"] == {"usd_per_thousand_calls": 1}
    world.update("e", {"price": None})
    assert "price" not in world.get("e")
    assert world.provider.calls == []


@pytest.mark.parametrize(
    ("kind", "price", "problem"),
    [
        (EMBEDDING, {}, "[price] does not contain the required setting [usd_per_million_input_tokens]"),
        (CHAT, PRICE, "[price] does not contain the required setting [usd_per_million_output_tokens]"),
        (EMBEDDING, {**PRICE, "usd": 1}, "Price settings contain unknown entries [{usd=1}]"),
        (
            EMBEDDING,
            {"usd_per_million_input_tokens": -1},
            "[price] Invalid value [-1.0]. [usd_per_million_input_tokens] must be greater than or equal to [0.0]",
        ),
        (EMBEDDING, 3, "field [price] is not of the expected type. The value [3] cannot be converted to a [Map]"),
    ],
)
def test_a_price_that_leaves_something_open_is_refused(world: World, kind: TaskType, price: Any, problem: str) -> None:
    """What a budget in dollars is counted by is whole, and spelt right."""
    with pytest.raises(InferenceError, match=re.escape(problem)):
        world.create("e", kind, openai(price=price))
