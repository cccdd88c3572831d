"""Texts from the tokens of OpenAI's embedding models, by the extra `inferpoint[tokens]`."""

from __future__ import annotations

import importlib
from typing import Any

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.requests import Texts, Tokens

NUMBERING = "cl100k_base"
_STRINGS = "send strings instead (in LangChain: check_embedding_ctx_length=False)"


def texts(tokens: Tokens) -> Texts:
    """The texts that *tokens* stand for; to be called in a thread, for a table may be read from a disk or a network."""
    encoding = _encoding()
    try:
        return tuple(encoding.decode(numbers, errors="strict") for numbers in tokens.inputs)
    except (KeyError, UnicodeDecodeError, OverflowError):
        raise invalid(f"The input is not of tokens of [{NUMBERING}]: {_STRINGS}") from None


def _encoding() -> Any:
    reason = "without the extra inferpoint[tokens] they are not read"
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
        reason = f"tiktoken cannot load its table [{NUMBERING}]"
        return tiktoken.get_encoding(NUMBERING)
    except Exception:  # noqa: BLE001 - it fetches its table by a client of its own, which fails in its own ways
        raise InferenceError(Kind.UNSUPPORTED, f"This endpoint takes no tokens, and {reason}: {_STRINGS}") from None
