"""What an endpoint's calls cost, as far as its configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.model.price import Price


def price_of(shown: Mapping[str, Any]) -> Price | None:
    """The price in the configuration of an endpoint that is *shown*; None where it has none."""
    price = shown.get("price")
    return None if price is None else Price(**price)
