from __future__ import annotations

from typing import Any

import pytest

from inferpoint.model.price import NANO, Price
from inferpoint.model.quota import Cost

CHAT = {"usd_per_million_input_tokens": 3.0, "usd_per_million_output_tokens": 15.0}
CACHING = {**CHAT, "usd_per_million_cached_tokens": 0.3, "usd_per_million_cache_written_tokens": 3.75}


@pytest.mark.parametrize(
    ("price", "cost", "nano_usd"),
    [
        ({"usd_per_million_input_tokens": 0.02}, Cost(tokens=1, calls=1), 20),
        ({"usd_per_million_input_tokens": 0.02}, Cost(tokens=1_000_000, calls=1), 0.02 * NANO),
        (CHAT, Cost(tokens=1_500_000, output=500_000, calls=1), (3 + 7.5) * NANO),
        (CHAT, Cost(tokens=1_000_000, cached=900_000, calls=1), 3 * NANO),
        (CACHING, Cost(tokens=1_000_000, cached=600_000, cache_written=300_000, calls=1), (0.3 + 0.18 + 1.125) * NANO),
        ({"usd_per_thousand_calls": 2.0}, Cost(tokens=700, calls=1), 0.002 * NANO),
        ({"usd_per_thousand_calls": 2.0}, Cost(), 0),
        (CHAT, Cost(), 0),
    ],
)
def test_a_call_costs_what_its_provider_counted(price: dict[str, Any], cost: Cost, nano_usd: float) -> None:
    """Every token is paid for once, at the price of what was done with it; what was refused costs nothing."""
    assert Price(**price).nano_usd(cost) == nano_usd


@pytest.mark.parametrize(
    ("price", "generates", "missing"),
    [
        ({}, False, "usd_per_million_input_tokens"),
        ({"usd_per_million_output_tokens": 1.0}, True, "usd_per_million_input_tokens"),
        ({"usd_per_million_input_tokens": 1.0}, True, "usd_per_million_output_tokens"),
        ({"usd_per_million_input_tokens": 0.0}, False, None),
        (CHAT, True, None),
        ({"usd_per_thousand_calls": 2.0}, False, None),
    ],
)
def test_a_price_tells_of_everything_that_is_counted(
    price: dict[str, Any],
    generates: bool,
    missing: str | None,
) -> None:
    """What is not said is never taken for free: a zero is a price, and nothing is none."""
    assert Price(**price).missing(generates=generates) == missing
