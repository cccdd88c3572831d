"""Limits of a provider as OpenAI documents them: what a key may ask, what is left of it, and how it is refused."""

from __future__ import annotations

import hashlib
import math
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Input = str | list[int]


class Storm(msgspec.Struct, frozen=True):
    """From *begins* seconds after `/configure` on, a share of calls fails for some seconds, chosen by the seed."""

    begins: float
    lasts: float
    status: int
    share: float = 0.5
    retry_after: float | None = None
    seed: int = 1


class Limits(msgspec.Struct, frozen=True):
    """What one key may ask of one model; None for no limit.

    A bucket holds one second's worth, but at least one call, unless it is said.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests_at_once: float | None = None
    tokens_at_once: float | None = None
    items_a_call: int = 2048
    tokens_a_call: int = 300_000
    bytes_a_call: int | None = None
    bytes_a_token: float = 4.0
    latency: float = 0.02
    storm: Storm | None = None


class Ledger(msgspec.Struct):
    """What was decided for one key and model. A call is (seconds since the reset, items, tokens)."""

    calls: list[tuple[float, int, int]] = []
    refused: dict[str, int] = {}
    distinct: int = 0
    duplicates: int = 0
    items_by_user: dict[str, int] = {}


class Asked(msgspec.Struct):
    """A call of either kind."""

    model: str
    input: str | list[str | int | list[int]] = ""
    messages: list[dict[str, Any]] | None = None
    encoding_format: str = "float"
    user: str = ""

    @property
    def items(self) -> Sequence[Input]:
        """What is to be embedded, or the one text to be answered."""
        if self.messages is not None:
            return [text_of(self.messages[-1]["content"])]
        if isinstance(self.input, str) or (self.input and isinstance(self.input[0], int)):
            return [self.input]  # type: ignore[list-item]
        return self.input  # type: ignore[return-value]


class RefusalError(Exception):
    """A call that is not taken: its status, the reason to count it by, the error body and the headers."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        kind: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = headers or {}


class Bucket:
    """A limit per minute, refilled all the time up to what it holds."""

    def __init__(self, limit: float, holds: float) -> None:
        self.limit = limit
        self.holds = holds
        self._level = holds
        self._at = time.monotonic()

    def short_for(self, cost: float) -> float:
        """The seconds until *cost* is there."""
        now = time.monotonic()
        self._level = min(self.holds, self._level + (now - self._at) * self.limit / 60)
        self._at = now
        return math.inf if cost > self.holds else max(0.0, (cost - self._level) * 60 / self.limit)

    def take(self, cost: float) -> None:
        """Spend *cost*."""
        self._level -= cost

    def told(self, kind: str) -> dict[str, str]:
        """OpenAI's headers."""
        missing = self.holds - self._level
        return {
            f"x-ratelimit-limit-{kind}": str(int(self.limit)),
            f"x-ratelimit-remaining-{kind}": str(max(0, int(self.limit - missing))),
            f"x-ratelimit-reset-{kind}": duration(missing * 60 / self.limit),
        }


class Account:
    """One key and model: what is left of its limits, and what was decided."""

    def __init__(self, limits: Limits) -> None:
        self.ledger = Ledger()
        self._seen: set[bytes] = set()
        self.buckets: dict[str, Bucket] = {}
        if limits.requests_per_minute is not None:
            holds = limits.requests_at_once or max(1.0, limits.requests_per_minute / 60)
            self.buckets["requests"] = Bucket(limits.requests_per_minute, holds)
        if limits.tokens_per_minute is not None:
            holds = limits.tokens_at_once or max(limits.tokens_a_call, limits.tokens_per_minute / 60)
            self.buckets["tokens"] = Bucket(limits.tokens_per_minute, holds)

    def take(self, model: str, tokens: int) -> None:
        """Spend a call; what is refused costs nothing."""
        costs = {"requests": 1, "tokens": tokens}
        for kind, bucket in self.buckets.items():
            if seconds := bucket.short_for(costs[kind]):
                raise _too_fast(model, kind, bucket.limit, costs[kind], seconds)
        for kind, bucket in self.buckets.items():
            bucket.take(costs[kind])

    def told(self) -> dict[str, str]:
        """The headers of every answer."""
        return {name: value for kind, bucket in self.buckets.items() for name, value in bucket.told(kind).items()}

    def keep(self, asked: Asked, at: float, tokens: int) -> None:
        """Count a call that is taken."""
        items = asked.items
        self.ledger.calls.append((at, len(items), tokens))
        users = self.ledger.items_by_user
        users[asked.user] = users.get(asked.user, 0) + len(items)
        for item in items:
            known = len(self._seen)
            self._seen.add(_digest(item))
            self.ledger.duplicates += len(self._seen) == known
        self.ledger.distinct = len(self._seen)


def fit(asked: Asked, size: int, tokens: int, limits: Limits) -> None:
    """Refuse what one call may not have, in OpenAI's words."""
    most, count = limits.items_a_call, len(asked.items)
    if limits.bytes_a_call is not None and size > limits.bytes_a_call:
        said = f"Maximum content size limit ({limits.bytes_a_call}) exceeded ({size} bytes read)"
        raise RefusalError(413, "bytes a call", said, "server_error")
    if count > most:
        said = f"Invalid 'input': array too long. Expected an array with maximum length {most}, but got an array with"
        said += f" length {count} instead."
        raise RefusalError(400, "items a call", said, "invalid_request_error", "array_above_max_length", "input")
    if tokens > limits.tokens_a_call:
        said = f"Requested {tokens} tokens, max {limits.tokens_a_call} tokens per request"
        raise RefusalError(400, "tokens a call", said, "max_tokens_per_request", "max_tokens_per_request")


def weather(storm: Storm, seconds: float, chance: float) -> None:
    """Refuse a call in a storm, *seconds* after `/configure`, when *chance* (0 to 1) is against it."""
    if not 0 <= seconds - storm.begins < storm.lasts or chance >= storm.share:
        return
    headers = {} if storm.retry_after is None else again(storm.retry_after)
    if storm.status == 429:
        raise RefusalError(429, "storm", "Rate limit reached", "requests", "rate_limit_exceeded", headers=headers)
    said = "The engine is currently overloaded, please try again later"
    raise RefusalError(storm.status, "storm", said, "server_error", "server_is_overloaded", headers=headers)


def again(seconds: float) -> dict[str, str]:
    """When to come again, in whole seconds and in milliseconds."""
    return {"retry-after": str(max(1, math.ceil(seconds))), "retry-after-ms": str(math.ceil(seconds * 1000))}


def text_of(content: Any) -> str:
    """The text of a message."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def counted(item: Input, bytes_a_token: float) -> int:
    """The tokens of an input: a rule that is simple, and that nobody's tokenizer has."""
    return len(item) if isinstance(item, list) else math.ceil(len(item.encode()) / bytes_a_token)


def vector(item: Input) -> tuple[float, ...]:
    """Eight numbers that only this input has, and that 32 bits hold exactly."""
    return tuple(number / 65536 for number in struct.unpack("<8H", _digest(item)))


def duration(seconds: float) -> str:
    """Seconds as Go writes them: `6m0s`, `1.5s`, `20ms`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{round(rest, 3):g}s"


def _digest(item: Input) -> bytes:
    data = item if isinstance(item, str) else ",".join(map(str, item))
    return hashlib.blake2b(data.encode(), digest_size=16).digest()


def _too_fast(model: str, kind: str, limit: float, cost: float, seconds: float) -> RefusalError:
    which = f"{model} in organization org-bench on {kind} per min ({kind[0].upper()}PM): Limit {int(limit)}"
    if math.isinf(seconds):
        said = f"Request too large for {which}, Requested {int(cost)}."
        return RefusalError(429, kind, said, kind, "rate_limit_exceeded")
    said = f"Rate limit reached for {which}, Used {int(limit)}, Requested {int(cost)}."
    said += f" Please try again in {duration(seconds)}."
    headers = {**again(seconds), f"x-ratelimit-remaining-{kind}": "0"}
    return RefusalError(429, kind, said, kind, "rate_limit_exceeded", headers=headers)
