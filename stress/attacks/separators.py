"""Separators of a few characters that become gigabytes once compiled, or backtrack for longer than anybody waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from raw_http import Answered, ask
from victim import Victim

TOO_LARGE = ["(a?){9999999}", "((a{99}){99}){99}", "(?<=a{9999999})b", "(\\b){9999999}", "(?:\\R\\R){999999}"]
ENDLESS = ["(?:a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(\\w\\w?)*\\d", "a.*b.*c.*d"]
SHORT = ["a" * 40 + "b " * 20] * 12
REMEMBERING = ["(?:(a)|b)*", "(?:\\w(?:\\w(?:\\w)?)?)*+[cd]", "((((((((a))))))))*"]
LONG = ["ab" * 2_000_000]


def attack(victim: Victim) -> None:
    def cut(separator: str, texts: list[str]) -> Answered:
        settings = {"strategy": "recursive", "max_chunk_size": 10, "separators": [separator]}
        return ask(victim.url, "POST", "/_inference/_chunk", {"input": texts, "chunking_settings": settings})

    for separator in TOO_LARGE:
        assert cut(separator, SHORT).status == 400
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(cut, ENDLESS, [SHORT] * 4))
        for answered in callers.map(cut, REMEMBERING, [LONG] * 3):
            assert answered.status in (200, 400, 413), answered.body
