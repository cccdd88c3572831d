"""How much a call of an endpoint may hold: as its service declares, and as the provider's answers have taught since.

Tokens are estimated rather too high than too low: a third of the bytes (an English token is about four bytes, a Chinese
character three) until the provider's own counts tell better; and calls are filled to 95 % of what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from typing import cast

import msgspec

from inferpoint.endpoints.caches import Input
from inferpoint.model.deadline import Deadline
from inferpoint.model.quota import Rate
from inferpoint.model.requests import Media
from inferpoint.protocols.oversize import Oversize
from inferpoint.protocols.service import Limits

FILLED = 0.95
SECONDS_A_CALL = 1.0  # no call takes more than a second's tokens, so that who comes next need not wait long
MEAN, DEVIATION = 1 / 4, 1 / 24  # tokens a byte before anything was counted: a third, by the rule of `tokens`
_MEMORY = 4096  # bytes of text that weigh as much as all that was seen before: a few words say little
MEDIUM_BYTES = 4800  # of words that take as many tokens as the largest image, about 1600
OUTPUT_GUESS = 256.0  # tokens that a model writes
_SLOWLY, _FASTER = 1 / 8, 1 / 4
_ONE_OF_MANY = 1 / 4  # of what a call was estimated to hold: a provider that counted less speaks of one input of it
_RESERVED = 0.1
_OURS = 0.1  # seconds for which a busy process may stand still
_CLOSE = 1.1  # a bound known this well is not looked for any further
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])[0-9]{1,9}(?![A-Za-z0-9_.]*[0-9])")


class Load(msgspec.Struct, eq=False, gc=False):
    """The contents of a call: so many inputs, their bytes, and the tokens of those that are tokens already."""

    inputs: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, other: Load, times: int = 1) -> None:
        """Put *other* in, or with -1 take it out."""
        self.inputs += times * other.inputs
        self.bytes += times * other.bytes
        self.tokens += times * other.tokens


def together(loads: Iterable[Load]) -> Load:
    """The contents of several *loads* as one."""
    total = Load()
    for load in loads:
        total.inputs += load.inputs
        total.bytes += load.bytes
        total.tokens += load.tokens
    return total


def load_of(content: Input) -> Load:
    """The load of one input."""
    return loads_of([content])[0]


def loads_of(contents: Collection[Input]) -> Sequence[Load]:
    """The loads of several inputs, one after the other, which are all tokens or none of them."""
    if type(next(iter(contents), "")) is tuple:
        tokens = cast(Collection[tuple[int, ...]], contents)
        return [Load(1, 7 * count, count) for count in map(len, tokens)]  # a token's number and a comma
    if Media in set(map(type, contents)):
        return [Load(1, MEDIUM_BYTES) if isinstance(content, Media) else load_of(content) for content in contents]
    texts = cast(Collection[str], contents)
    if not all(map(str.isascii, texts)):
        return [Load(1, len(text.encode("utf-8", "surrogatepass"))) for text in texts]
    return [Load(1, size) for size in map(len, texts)]


def weights(loads: Sequence[Load]) -> Sequence[int]:
    """The parts of what a call costs that each of *loads* has beside the others, which are of the same kind."""
    return [load.tokens or load.bytes + 1 for load in loads]


class Bound:
    """How much of one thing a call may hold. A refusal halves it, what passes afterwards finds out where it lies."""

    def __init__(self, declared: float | None) -> None:
        self._declared = self.most = math.inf if declared is None else declared
        self._passed = 0.0
        self._refused = math.inf

    def refuse(self, size: float, stated: float | None) -> None:
        """Learn that *size* was too much; *stated* is the provider's bound, where its words tell one."""
        told = stated is not None and stated < size
        self._refused = min(self._refused, stated if told and stated is not None else size)
        if self._passed >= self._refused:  # other texts, or other estimates
            self._passed = self._refused / 2
        self.most = max(1.0, min(self.most, self._refused if told else max(self._passed, size / 2)))

    def accept(self, size: float) -> None:
        """Learn that *size* has passed."""
        if size > self._passed:
            self._passed = max(self._passed, min(size, self._refused))
        if size >= self.most / _CLOSE and self._passed * _CLOSE < self._refused < math.inf:
            self.most = min(self._declared, max(self.most, (self._passed + self._refused) / 2))


Bounds = tuple[Bound, Bound]  # of inputs and of tokens


class Sizing:
    """The knowledge of how much calls of one endpoint may hold, and of how long they take."""

    def __init__(self, declared: Limits, rate: Rate) -> None:
        self._inputs = Bound(declared.inputs)
        self._tokens = Bound(None if declared.tokens is None else declared.tokens * FILLED)
        self._bytes = Bound(None if declared.bytes is None else declared.bytes * FILLED)
        self._a_turn = _tokens_a_turn(rate)
        self._mean, self._deviation = MEAN, DEVIATION
        self._seconds = 0.0
        self._seconds_deviation = 0.0
        self.output = OUTPUT_GUESS

    def tokens(self, load: Load) -> int:
        """How many tokens *load* has, rather too many than too few."""
        return load.tokens or int(load.bytes * (self._mean + 2 * self._deviation)) + load.inputs

    def fits(self, load: Load) -> bool:
        """Whether one call may hold *load*."""
        if load.inputs > self._inputs.most or load.bytes > self._bytes.most:
            return False
        tokens = self.tokens(load)
        return tokens <= self._a_turn and tokens <= self._tokens.most

    def calls(self, load: Load) -> int:
        """How many calls *load* needs at the least."""
        if load.inputs < 2:
            return load.inputs
        if self.fits(load):
            return 1
        parts = (
            load.inputs / self._inputs.most,
            self.tokens(load) / self._most_tokens,
            load.bytes / self._bytes.most,
        )
        return min(load.inputs, math.ceil(max(parts)))

    def a_call(self, load: Load) -> int:
        """The tokens of the first call for *load*."""
        tokens: float = self.tokens(load)
        if load.inputs > self._inputs.most or load.bytes > self._bytes.most:
            tokens *= min(self._inputs.most / load.inputs, self._bytes.most / max(1, load.bytes), 1.0)
        return int(min(tokens, self._a_turn, self._tokens.most))

    def fill(self, load: Load) -> float:
        """How full a call of *load* is, from 0 to 1."""
        tokens = self.tokens(load) / self._most_tokens
        return min(1.0, max(load.inputs / self._inputs.most, tokens, load.bytes / self._bytes.most))

    def count(self, load: Load, tokens: int) -> None:
        """Learn from what a provider counted for *load*."""
        self._inputs.accept(load.inputs)
        self._tokens.accept(tokens or self.tokens(load))
        self._bytes.accept(load.bytes)
        if load.tokens or not tokens or not load.bytes:
            return
        seen = max(0, tokens - load.inputs) / load.bytes
        weight = load.bytes / (load.bytes + _MEMORY)
        self._deviation += (abs(seen - self._mean) - self._deviation) * min(_FASTER, weight)
        self._mean += (seen - self._mean) * weight

    def refuse(self, load: Load, of: Oversize, words: str) -> Bounds:
        """Learn from a call that held too much, and from the numbers in the provider's *words* about it.

        What was known before is for `relent`.
        """
        before = copy(self._inputs), copy(self._tokens)
        asked, allowed = _asked_and_allowed(words) or (None, None)
        if of is Oversize.INPUTS:
            self._inputs.refuse(load.inputs, allowed if asked == load.inputs else _only_number(words))
            self._inputs.most = math.floor(self._inputs.most)
        elif asked is None or allowed is None or not self._is_about(load, asked):
            self._tokens.refuse(self.tokens(load), None)
        else:
            if not load.tokens:
                self._mean = max(self._mean, (asked - load.inputs) / max(1, load.bytes))
            self._tokens.refuse(self.tokens(load), allowed * FILLED)
        return before

    def relent(self, before: Bounds) -> None:
        """Forget what refusals taught since *before*: they were about one input that no call can hold."""
        inputs, tokens = before
        if inputs.most > self._inputs.most:
            self._inputs = copy(inputs)
        if tokens.most > self._tokens.most:
            self._tokens = copy(tokens)

    def _is_about(self, load: Load, tokens: int) -> bool:
        """Whether a provider that counted so many *tokens* may have counted all of *load*."""
        return self.tokens(load) * _ONE_OF_MANY <= tokens <= load.bytes + 4 * load.inputs

    @property
    def _most_tokens(self) -> float:
        most = self._tokens.most
        return min(self._a_turn, most)

    def took(self, seconds: float) -> None:
        """Learn from how long a call was at the provider."""
        self._seconds_deviation += (abs(seconds - self._seconds) - self._seconds_deviation) * _FASTER
        self._seconds += (seconds - self._seconds) * _SLOWLY

    def begin_by(self, deadline: Deadline) -> Deadline:
        """By when a call must begin to be answered at *deadline*: one that begins later is paid, and comes too late.

        Sooner by as long as nearly all calls take, and ours with them; but no more than a tenth of the timeout, as how
        long a model writes varies.
        """
        longest, reserved = self._seconds + 4 * self._seconds_deviation + _OURS, deadline.timeout * _RESERVED
        return deadline.sooner(min(reserved, longest))

    def wrote(self, tokens: int) -> None:
        """Learn from how much a model wrote."""
        self.output += (tokens - self.output) * _SLOWLY


def _tokens_a_turn(rate: Rate) -> float:
    """The tokens that a call may take where they are limited: those of the time between two calls, or of a second."""
    if rate.tokens is None:
        return math.inf
    between = 60 / rate.requests if rate.requests else 0.0
    return max(1.0, rate.tokens * min(1.0, max(SECONDS_A_CALL, between) / 60))


def _numbers(words: str) -> list[int]:
    return sorted({int(number) for number in _NUMBER.findall(words)})


def _only_number(words: str) -> int | None:
    """The bound that a refusal names, where it names nothing else."""
    numbers = _numbers(words)
    return numbers[0] if len(numbers) == 1 and numbers[0] > 1 else None


def _asked_and_allowed(words: str) -> tuple[int, int] | None:
    """The two numbers of a refusal, where it has just two: the larger was asked, the smaller is allowed."""
    numbers = _numbers(words)
    return (numbers[1], numbers[0]) if len(numbers) == 2 and numbers[0] > 1 else None
