"""The meaning of Google's refusals, in Elasticsearch's phrases. https://cloud.google.com/apis/design/errors."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.service import Failures


def failures(title: str) -> Failures:
    """Those of the service called *title*; `error.status` is their type, and `error.code` their code."""
    phrases = {
        401: "Received an unsuccessful status code",
        403: "Received a permission denied error status code",
        404: "Resource not found at [{url}]",
        503: f"The {title} service may be temporarily overloaded or down",
    }
    return replace(FAILURES, phrases=phrases)
