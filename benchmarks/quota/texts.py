"""The texts that are embedded, always the same ones, and whether their vectors are theirs."""

from __future__ import annotations

import random
from collections.abc import Sequence

from quota.limits import vector

VOCABULARY = (
    "the of and to in is that for it was on are as with his they at be this from have or by one had not but what all"
    " were when we there can an your which their said if will each about how up out them then she many some so these"
    " search engine inference embedding document boundary performance quota provider request token limit minute batch"
)


def texts(count: int, words: int, seed: str) -> list[str]:
    """Distinct texts of about *words* words: most are shorter, a few are many times as long."""
    chance = random.Random(seed)
    vocabulary = VOCABULARY.split()
    made: list[str] = []
    for number in range(count):
        length = min(words * 8, max(1, round(words * chance.lognormvariate(-0.3, 0.8))))
        made.append(f"{seed} {number} " + " ".join(chance.choices(vocabulary, k=length)))
    return made


def wrong(asked: Sequence[str | list[int]], vectors: Sequence[Sequence[float] | None]) -> int:
    """How many vectors are not those of their texts; one that is not there is not wrong, but lost."""
    pairs = zip(asked, vectors, strict=True)
    return sum(found is not None and tuple(found) != vector(item) for item, found in pairs)
