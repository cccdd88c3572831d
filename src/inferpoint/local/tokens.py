"""Texts from the tokens of OpenAI's embedding models: clients of theirs send numbers, which no other provider takes."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate

from inferpoint.errors import invalid
from inferpoint.model.requests import Texts, Tokens

NUMBERING = "cl100k_base"
_COUNT = 100_256
_SPECIAL = {
    100_257: b"<|endoftext|>",
    100_258: b"<|fim_prefix|>",
    100_259: b"<|fim_middle|>",
    100_260: b"<|fim_suffix|>",
    100_276: b"<|endofprompt|>",
}


def texts(tokens: Tokens) -> Texts:
    """The texts that *tokens* stand for; to be called in a thread, for the first call reads the table (10 ms, 2 MB)."""
    try:
        return tuple(_text(numbers) for numbers in tokens.inputs)
    except (KeyError, UnicodeDecodeError):
        raise invalid(
            f"The input is not of tokens of [{NUMBERING}]: send strings instead "
            "(in LangChain: check_embedding_ctx_length=False)"
        ) from None


def _text(numbers: Sequence[int]) -> str:
    data, starts = _table()
    return b"".join(
        [data[starts[number] : starts[number + 1]] if 0 <= number < _COUNT else _SPECIAL[number] for number in numbers]
    ).decode()


@cache
def _table() -> tuple[bytes, Sequence[int]]:
    """All tokens one after the other, and where each begins; `tools/tokens/make_table.py` makes the file."""
    data = zlib.decompress(files("inferpoint.local").joinpath("cl100k.zlib").read_bytes())
    return data[_COUNT:], array("I", accumulate(data[:_COUNT], initial=0))
