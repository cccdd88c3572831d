"""The account that calls, its rates and failures."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.openai.failures import FAILURES as OPENAI
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.service import RateLimit, Rates, rate_limit


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Cohere API key.")
    model_id: str = setting("The model to call, such as embed-v4.0.")
    url: str | None = setting("The address to call instead of Cohere's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


def group(account: Account) -> Hashable:
    """One queue for a key: Cohere limits by account."""
    return account.api_key


RATES = Rates(default=10_000, group=group)
FAILURES = replace(
    OPENAI,
    phrases={},
    oversize=told_by(inputs=(r"total number of texts must be at most",), tokens=(r"too many tokens", r"too long")),
)
