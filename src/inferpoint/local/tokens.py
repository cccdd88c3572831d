"""Texts from the tokens of OpenAI's embedding models, by the extra `inferpoint[tokens]`."""

from __future__ import annotations

import importlib
from typing import Any

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.requests import Texts, Tokens

NUMBERING = "cl100k_base"
_STRINGS = "send strings instead (in LangChain: check_embedding_ctx_length=False)"


def texts(tokens: Tokens) -> Texts:
    """What *tokens* say. It may read a table from a disk or a network, so it is for a thread."""
    encoding = _encoding()
    try:
        return tuple(encoding.decode(numbers, errors="strict") for numbers in tokens.inputs)
    except (KeyError, UnicodeDecodeError, OverflowError):
        raise invalid(f"The input is not of tokens of [{NUMBERING}]: {_STRINGS}") from None


def _encoding() -> Any:
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
    except ModuleNotFoundError:
        problem = (
            f"This endpoint takes no tokens, and without the extra inferpoint[tokens] they are not read: {_STRINGS}"
        )
        raise InferenceError(Kind.UNSUPPORTED, problem) from None
    try:
        return tiktoken.get_encoding(NUMBERING)
    except Exception:  # noqa: BLE001 - it fetches its table by a client of its own, which fails in its own ways
        problem = f"This endpoint takes no tokens, and tiktoken cannot load its table [{NUMBERING}]: {_STRINGS}"
        raise InferenceError(Kind.UNSUPPORTED, problem) from None
