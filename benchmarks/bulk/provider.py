"""A provider of embeddings in a process of its own, that answers late and costs little: vectors are made once.

A text begins with `d`, a number of seven digits and a blank; its vector's first number is the number modulo 256.
`GET /stats` tells what was served since `GET /reset?texts=N`, by the texts' numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import uvloop

DIMENSIONS = 384
KINDS = 256
_NUMBERS = re.compile(rb'"d(\d{7}) ')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_RESET = re.compile(rb"GET /reset\?texts=(\d+)")


class Ledger:
    """How often each text was served, how many calls there were, and how many of them at once."""

    def __init__(self, texts: int) -> None:
        self.served = np.zeros(texts, np.uint8)
        self.calls = self.at_once = self.most_at_once = 0

    def told(self) -> dict[str, int]:
        """The counts: texts that were served, `lost` ones that never were, `again` what was served beyond once."""
        total = int(self.served.sum())
        lost = int((self.served == 0).sum())
        again = total - (len(self.served) - lost)
        return {"served": total, "lost": lost, "again": again, "calls": self.calls, "at_once": self.most_at_once}


class _Connection(asyncio.Protocol):
    ledger = Ledger(0)
    latency = 0.0

    def __init__(self) -> None:
        self._rest = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._rest, 0, end)
        if length is None:
            self._look(bytes(self._rest))
            self._rest.clear()
        elif len(self._rest) >= end + 4 + int(length[1]):
            numbers = [*map(int, _NUMBERS.findall(self._rest, end))]
            packed = self._rest.find(b'base64"', end) > 0
            self._rest.clear()
            self.ledger.calls += 1
            for number in numbers:  # what is asked for is paid for, whether anybody is there for the answer or not
                self.ledger.served[number] += 1
            self.ledger.at_once += 1
            self.ledger.most_at_once = max(self.ledger.most_at_once, self.ledger.at_once)
            asyncio.get_running_loop().call_later(self.latency, self._embed, numbers, packed)

    def _embed(self, numbers: Sequence[int], packed: bool) -> None:  # noqa: FBT001 - as the request says
        ledger = self.ledger
        ledger.at_once -= 1
        if self._transport.is_closing():
            return
        numbers = numbers or [0]  # the text by which an endpoint is tried has none
        kinds = vectors(packed)
        rows = b",".join(
            b'{"object":"embedding","index":%d,"embedding":%b}' % (place, kinds[number % KINDS])
            for place, number in enumerate(numbers)
        )
        tokens = 40 * len(numbers)
        usage = b'"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d}' % (tokens, tokens)
        self._answer(b'{"object":"list","data":[%b],%b}' % (rows, usage))

    def _look(self, request: bytes) -> None:
        if reset := _RESET.match(request):
            _Connection.ledger = Ledger(int(reset[1]))
        self._answer(json.dumps(self.ledger.told()).encode())

    def _answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.writelines([head, body])


@cache
def vectors(packed: bool) -> list[bytes]:  # noqa: FBT001 - as the request says
    """One vector of each kind, as JSON."""
    numbers = np.random.default_rng(1).uniform(-0.1, 0.1, (KINDS, DIMENSIONS)).astype("<f4")
    numbers[:, 0] = range(KINDS)
    if packed:
        return [b'"%b"' % base64.b64encode(row.tobytes()) for row in numbers]
    return [json.dumps([round(float(number), 8) for number in row]).encode() for row in numbers]


async def main() -> None:
    """Listen until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.02, help="Seconds that a call takes.")
    _Connection.latency = parser.parse_args().latency
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
