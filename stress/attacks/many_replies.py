"""A provider that answers many calls at once with as much as a reply may hold, in numbers or in lists of nothing.

What is read at a time shares a budget, and a reply of more objects and lists than anybody needs is not built at all.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from raw_http import ask
from victim import Victim

AT_ONCE = 20
SIZE = 5_000_000  # bytes of each
REPLIES = {
    "numbers": (b"[[0.25" + b",0.25" * (SIZE // 5) + b"]]", (200, 429)),
    "lists": (b"[" + b"[0]," * (SIZE // 4) + b"[0]]", (400, 429, 500)),
    "objects": (b"[" + b'{"embedding":[]},' * (SIZE // 17) + b"{}]", (400, 429, 500)),
}


def attack(victim: Victim) -> None:
    with _provider() as address, ThreadPoolExecutor(AT_ONCE) as callers:
        for name, (_, statuses) in REPLIES.items():
            victim.put(name, f"{address}/{name}")
            calls = [callers.submit(_status, victim, name, str(text)) for text in range(AT_ONCE)]
            for call in calls:
                assert call.result() in statuses, (name, call.result())


def _status(victim: Victim, inference_id: str, text: str) -> int:
    """The status of one embedding; what is answered is read, and not kept."""
    return ask(victim.url, "POST", f"/_inference/{inference_id}?timeout=30s", {"input": text}).status


@contextmanager
def _provider() -> Iterator[str]:
    class Provider(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            json.loads(self.rfile.read(int(self.headers["content-length"])))
            body, _ = REPLIES[self.path[1:]]
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # it was too much
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it is given there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
