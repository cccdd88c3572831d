"""Long texts to be cut into chunks, as many at a time as come, and some that a caller does not wait for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from raw_http import ask
from victim import Victim

TEXTS = ["word " * 1_000_000, "a\n" * 1_000_000, "漢字" * 500_000, "a. B" * 500_000]
STRATEGIES = [
    {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 1},
    {"strategy": "word", "max_chunk_size": 10, "overlap": 5},
    {"strategy": "recursive", "max_chunk_size": 10, "separator_group": "markdown"},
]


def attack(victim: Victim) -> None:
    def cut(text: str, settings: dict[str, object], timeout: str) -> int:
        body = {"input": [text], "chunked": True, "chunking_settings": settings, "timeout": timeout}
        return ask(victim.url, "POST", "/_inference/neighbour", body).status

    asked = [(text, settings, timeout) for text in TEXTS for settings in STRATEGIES for timeout in ("1ms", "30s")]
    with ThreadPoolExecutor(4) as callers:
        for status in callers.map(cut, *zip(*asked, strict=True)):
            assert status in (200, 400, 408, 413, 429), status
