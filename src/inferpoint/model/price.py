"""What a provider charges for the calls of an endpoint, so that a budget can be in dollars."""

from __future__ import annotations

from inferpoint.model.quota import Cost
from inferpoint.model.settings import setting, settings

NANO = 10**9  # of a dollar: what one token costs is a whole number of these, or nearly
_OF_A_TOKEN = NANO / 10**6
_OF_A_CALL = NANO / 1000
_MOST = 10**6


@settings
class Price:
    """US dollars for what a provider counts; tokens of its cache cost as the others where nothing is said of them."""

    usd_per_million_input_tokens: float | None = setting(
        "How many US dollars a million tokens cost that are sent.", default=None, at_least=0, at_most=_MOST
    )
    usd_per_million_output_tokens: float | None = setting(
        "How many US dollars a million tokens cost that the model writes.", default=None, at_least=0, at_most=_MOST
    )
    usd_per_million_cached_tokens: float | None = setting(
        "How many US dollars a million tokens cost that the provider has in its cache.",
        default=None,
        at_least=0,
        at_most=_MOST,
    )
    usd_per_million_cache_written_tokens: float | None = setting(
        "How many US dollars a million tokens cost that the provider puts into its cache.",
        default=None,
        at_least=0,
        at_most=_MOST,
    )
    usd_per_thousand_calls: float | None = setting(
        "How many US dollars a thousand calls cost, where the provider counts those (as searches of a rerank).",
        default=None,
        at_least=0,
        at_most=_MOST,
    )

    def missing(self, *, generates: bool) -> str | None:
        """The name of the price without which what a call costs is not known, for a model that *generates* or not."""
        if self.usd_per_thousand_calls is not None:
            return None
        if self.usd_per_million_input_tokens is None:
            return "usd_per_million_input_tokens"
        return "usd_per_million_output_tokens" if generates and self.usd_per_million_output_tokens is None else None

    def nano_usd(self, cost: Cost) -> int:
        """What *cost* is in billionths of a dollar."""
        sent = self.usd_per_million_input_tokens or 0.0
        cached, written = self.usd_per_million_cached_tokens, self.usd_per_million_cache_written_tokens
        plain = cost.tokens - cost.output - cost.cached - cost.cache_written
        tokens = (
            plain * sent
            + cost.output * (self.usd_per_million_output_tokens or 0.0)
            + cost.cached * (sent if cached is None else cached)
            + cost.cache_written * (sent if written is None else written)
        )
        return round(tokens * _OF_A_TOKEN + cost.calls * (self.usd_per_thousand_calls or 0.0) * _OF_A_CALL)
