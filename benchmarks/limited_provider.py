"""A provider in a process of its own that enforces its limits as OpenAI documents them, and tells what it decided.

`/v1/embeddings` and whole `/v1/chat/completions`; limits hold for each API key and model. `POST /configure` takes a
`Limits` as JSON and forgets what was, `POST /reset` only forgets, `GET /stats` tells a `Ledger` for each key and model.
A bucket is full at first and refilled all the time. Vectors follow from the text, so that whoever asked can check them.

`x-ratelimit-remaining-*` is the limit without what is missing in the bucket, so that limit, remaining and reset agree
whatever the bucket holds; whoever is refused is told 0.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import random
import re
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nauthorization: *Bearer +([^\r]*)", re.IGNORECASE)
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 413: b"Payload Too Large", 429: b"Too Many Requests"}

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
            return [_text(self.messages[-1]["content"])]
        if isinstance(self.input, str) or (self.input and isinstance(self.input[0], int)):
            return [self.input]  # type: ignore[list-item]
        return self.input  # type: ignore[return-value]


class RefusalError(Exception):
    """A call that is not taken: its status, the reason to count it by, the error body and the headers."""

    def __init__(self, status: int, reason: str, error: Mapping[str, Any], **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.error = error
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


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
                raise _too_fast(model, kind, bucket, costs[kind], seconds)
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


class Provider:
    """All accounts, and the limits that each of them has."""

    def __init__(self) -> None:
        self.configure(Limits())

    def configure(self, limits: Limits) -> None:
        """Begin anew with these limits."""
        self.limits = limits
        self.accounts: dict[str, Account] = {}
        self._began = time.monotonic()
        self._chance = random.Random(limits.storm.seed if limits.storm else 0)

    def answer(self, path: bytes, key: str, body: bytes) -> tuple[float, bytes]:
        """The seconds that an answer takes, and the answer."""
        if path == b"/stats":
            return 0.0, _written(200, {name: account.ledger for name, account in self.accounts.items()}, {})
        if path == b"/configure":
            self.configure(msgspec.json.decode(body, type=Limits))
            return 0.0, _written(200, {}, {})
        if path == b"/reset":
            self.configure(self.limits)
            return 0.0, _written(200, {}, {})
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except msgspec.DecodeError as error:
            return 0.0, _written(400, _error(str(error), "invalid_request_error", None), {})
        account = self.accounts.get(name := f"{key} {asked.model}")
        if account is None:
            account = self.accounts[name] = Account(self.limits)
        try:
            tokens = self._admitted(account, asked, len(body))
        except RefusalError as refusal:
            refused = account.ledger.refused
            refused[refusal.reason] = refused.get(refusal.reason, 0) + 1
            return 0.0, _written(refusal.status, {"error": refusal.error}, {**account.told(), **refusal.headers})
        account.keep(asked, time.monotonic() - self._began, tokens)
        shape = _completion if asked.messages is not None else _embeddings
        return self.limits.latency, _written(200, shape(asked, tokens), account.told())

    def _admitted(self, account: Account, asked: Asked, size: int) -> int:
        """The tokens of a call that is within all limits."""
        limits, items = self.limits, asked.items
        tokens = sum(counted(item, limits.bytes_a_token) for item in items)
        if limits.bytes_a_call is not None and size > limits.bytes_a_call:
            error = _error(f"Maximum content size limit ({limits.bytes_a_call}) exceeded", "server_error", None)
            raise RefusalError(413, "bytes a call", error["error"])
        if len(items) > limits.items_a_call:
            said = (
                f"Invalid 'input': array too long. Expected an array with maximum length {limits.items_a_call},"
                f" but got an array with length {len(items)} instead."
            )
            error = _error(said, "invalid_request_error", "array_above_max_length", "input")
            raise RefusalError(400, "items a call", error["error"])
        if tokens > limits.tokens_a_call:
            said = f"Requested {tokens} tokens, max {limits.tokens_a_call} tokens per request"
            error = _error(said, "max_tokens_per_request", "max_tokens_per_request")
            raise RefusalError(400, "tokens a call", error["error"])
        if limits.storm is not None:
            self._storm(limits.storm)
        account.take(asked.model, tokens)
        return tokens

    def _storm(self, storm: Storm) -> None:
        since = time.monotonic() - self._began - storm.begins
        if not 0 <= since < storm.lasts or self._chance.random() >= storm.share:
            return
        headers = {} if storm.retry_after is None else _retry(storm.retry_after)
        if storm.status == 429:
            error = _error("Rate limit reached", "requests", "rate_limit_exceeded")
        else:
            said = "The engine is currently overloaded, please try again later"
            error = _error(said, "server_error", "server_is_overloaded")
        raise RefusalError(storm.status, "storm", error["error"], **headers)


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


def _too_fast(model: str, kind: str, bucket: Bucket, cost: float, seconds: float) -> RefusalError:
    letters = kind[0].upper() + "PM"
    which = f"{model} in organization org-bench on {kind} per min ({letters}): Limit {int(bucket.limit)}"
    if math.isinf(seconds):
        said = f"Request too large for {which}, Requested {int(cost)}."
        headers = {}
    else:
        again = duration(seconds)
        said = f"Rate limit reached for {which}, Used {int(bucket.limit)}, Requested {int(cost)}."
        said += f" Please try again in {again}."
        headers = {**_retry(seconds), f"x_ratelimit_remaining_{kind}": "0"}
    return RefusalError(429, kind, _error(said, kind, "rate_limit_exceeded")["error"], **headers)


def _retry(seconds: float) -> dict[str, str]:
    return {"retry_after": str(max(1, math.ceil(seconds))), "retry_after_ms": str(math.ceil(seconds * 1000))}


def _error(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _embeddings(asked: Asked, tokens: int) -> Any:
    rows = [
        {"object": "embedding", "index": place, "embedding": _encoded(vector(item), asked.encoding_format)}
        for place, item in enumerate(asked.items)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": rows, "model": asked.model, "usage": usage}


def _encoded(numbers: tuple[float, ...], form: str) -> Any:
    return base64.b64encode(struct.pack("<8f", *numbers)).decode() if form == "base64" else numbers


def _completion(asked: Asked, tokens: int) -> Any:
    """What was said last is said again."""
    message = {"role": "assistant", "content": asked.items[0], "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def _written(status: int, body: Any, headers: Mapping[str, str]) -> bytes:
    data = msgspec.json.encode(body)
    head = f"HTTP/1.1 {status} {_REASONS.get(status, b'-').decode()}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


class _Connection(asyncio.Protocol):
    """One request at a time, its body by its length."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._rest = bytearray()
        self._missing = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._missing -= len(data)
        if self._missing > 0:
            return
        head, found, body = bytes(self._rest).partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        self._missing = (int(length[1]) if length else 0) - len(body)
        if self._missing > 0:
            return
        self._rest.clear()
        key = _KEY.search(head)
        path = head.split(b" ", 2)[1]
        seconds, answer = self._provider.answer(path, key[1].decode() if key else "", body)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def main() -> None:
    provider = Provider()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(provider), "127.0.0.1", 0, backlog=2048)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
