"""The settings, the rates and the failures that every task has."""

from __future__ import annotations

import re
from collections.abc import Hashable

from inferpoint.model.http import Reply
from inferpoint.model.results import Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.openai.failures import complaint
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit


@settings
class Settings:
    """One deployed model."""

    api_key: str = secret("The Hugging Face access token.")
    url: str = setting("The address of the inference endpoint, used as it is given.", url=True)
    rate_limit: RateLimit | None = rate_limit()


def group(model: Settings) -> Hashable:
    """One queue for an address and a key, as in Elasticsearch."""
    return model.url, model.api_key


def usage(reply: Reply) -> Usage | None:
    """The tokens that Text Embeddings Inference counted, which only a header tells."""
    tokens = reply.headers.get("x-compute-tokens", "")
    return Usage(input=int(tokens)) if re.fullmatch("[0-9]{1,18}", tokens) else None


RATES = Rates(default=3000, group=group)
# Text Embeddings Inference takes 32 inputs a call unless it was started otherwise.
EMBEDDING_RATES = Rates(default=3000, group=group, limits=lambda _: Limits(inputs=32))
FAILURES = Failures(
    complaint=complaint,
    phrases={
        413: "Received a content too large status code",
        502: "Received a rate limit status code",
        503: "Received a rate limit status code",
    },
    # The words of Text Embeddings Inference.
    oversize=told_by(inputs=(r"batch size\b",), tokens=(r"must have less than [0-9]+ tokens",)),
)
