"""What OpenAI's statuses mean, for every service that speaks its chat, in Elasticsearch's phrases."""

from __future__ import annotations

from collections.abc import Mapping

PHRASES: Mapping[int, str] = {
    400: "Received a bad request status code",
    404: "Resource not found at [{url}]",
    413: "Received a content too large status code",
    422: "Received an input validation error response",
    503: "Received a server busy error status code",
}
RETRIED = frozenset({429, 500, 503})
