"""A provider whose replies would fill the server or never end: bombs of gzip, heads and trailers without an end.

Every call ends in an error, in bounded memory; so does a request whose endpoint is at the server itself.
"""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

from broken_provider import BrokenProvider
from bytes_on_the_wire import Broken
from raw_http import Answered, ask
from victim import Victim

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ZEROS = gzip.compress(gzip.compress(bytes(2**30)))  # four kilobytes, of a million, of a billion
BOMB = gzip.decompress(ZEROS)
ENDLESS = (b"y" * 2**20,) * 50
REPLIES = {
    "a bomb": (OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB),
    "bombs in a bomb": (OK + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(ZEROS), ZEROS),
    "a head": (OK + b"X-A: ", *ENDLESS),
    "many headers": (OK, *(b"X-%d: y\r\n" % number * 100 for number in range(10_000))),
    "interim replies": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,),
    "words of a chunk": (CHUNKED + b"1;", *ENDLESS),
    "trailers": (CHUNKED + b"0\r\nX-A: ", *ENDLESS),
}
AT_ONCE = 8


def attack(victim: Victim) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (name, pieces) in enumerate(REPLIES.items()):
            with BrokenProvider() as provider:
                provider.reply = Broken(pieces, hangs_up=True)
                victim.put(f"replies-{number}", provider.url)
                calls = [pool.submit(_infer, victim, f"replies-{number}", str(text)) for text in range(AT_ONCE)]
                for call in calls:
                    assert call.result().status >= 400, name
    victim.put("itself", victim.url)
    assert "may not be called" in _infer(victim, "itself", "x").reason


def _infer(victim: Victim, inference_id: str, text: str) -> Answered:
    return ask(victim.url, "POST", f"/_inference/{inference_id}?timeout=2s", {"input": text})
