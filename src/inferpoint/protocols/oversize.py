"""Which refusals say that one call held too much, so that the same inputs in more calls may pass."""

from __future__ import annotations

import re
from enum import StrEnum

from inferpoint.errors import Upstream


class Oversize(StrEnum):
    """Of what a call held too much."""

    INPUTS = "inputs"
    TOKENS = "tokens"  # or bytes, or characters: whatever longer inputs have more of


_STATUSES = (400, 413, 422)
_CODES = {
    "array_above_max_length": Oversize.INPUTS,
    "max_tokens_per_request": Oversize.TOKENS,
    "context_length_exceeded": Oversize.TOKENS,
}
# Phrases of the providers and of those who speak like them: OpenAI, Azure, Text Embeddings Inference, vLLM, Cohere,
# Bedrock's schemas, Vertex AI, Gemini, Voyage, DashScope.
_INPUTS = re.compile(
    r"array too long|batch ?size\b|too many (inputs|texts)|number of (inputs|texts)|at most [0-9]+ (items|requests)"
    r"|instance\(s\) is allowed per prediction|expected maximum item count",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"tokens per (submitted )?(request|batch)|context length|maximum (input|model) length|maximum request size"
    r"|too many (input )?tokens|input token count|must have less than [0-9]+ tokens"
    r"|'input[^']*': string too long|expected maxLength",
    re.IGNORECASE,
)


def oversize(said: Upstream) -> Oversize | None:
    """Of what the refused call held too much; None when that was not its fault.

    One input that is too long by itself is told in the same way: in halves of halves it ends up alone, and the others
    pass.
    """
    if said.status not in _STATUSES:
        return None
    if said.code in _CODES:
        return _CODES[said.code]
    if _INPUTS.search(said.message):
        return Oversize.INPUTS
    return Oversize.TOKENS if said.status == 413 or _TOKENS.search(said.message) else None
