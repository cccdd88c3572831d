"""What an endpoint's calls cost, as far as its configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.bulk.job import Paid
from inferpoint.model.price import Price


def price_of(shown: Mapping[str, Any]) -> Price | None:
    """The price in the configuration of an endpoint that is *shown*; None where it has none."""
    price = shown.get("price")
    return None if price is None else Price(**price)


def cheaper(paid: Paid, price: float) -> Paid:
    """What was *paid*, at a part of the price."""
    return msgspec.structs.replace(paid, nano_usd=None if paid.nano_usd is None else round(paid.nano_usd * price))


def added(one: Paid, other: Paid) -> Paid:
    """What both cost."""
    usd = None if one.nano_usd is None or other.nano_usd is None else one.nano_usd + other.nano_usd
    return Paid(one.calls + other.calls, one.tokens + other.tokens, usd)
