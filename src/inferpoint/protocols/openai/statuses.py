"""What OpenAI's statuses mean, for every service that speaks its chat, in Elasticsearch's phrases."""

from __future__ import annotations

from collections.abc import Mapping

from inferpoint.errors import Upstream

PHRASES: Mapping[int, str] = {
    400: "Received a bad request status code",
    404: "Resource not found at [{url}]",
    413: "Received a content too large status code",
    422: "Received an input validation error response",
    503: "Received a server busy error status code",
}
RETRIED = frozenset({429, 500, 503})
# https://platform.openai.com/docs/guides/error-codes. Most have the first for their type, and older servers for their
# code too.
SPENT = frozenset(
    {
        "insufficient_quota",
        "billing_not_active",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)


def exhausted(said: Upstream) -> bool:
    """Whether a 429 is of money that is spent, and not of a rate that waiting brings back."""
    return said.status == 429 and not SPENT.isdisjoint((said.type, said.code))
