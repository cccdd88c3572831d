"""moto's S3 behind a door that answers 500 for a while: a job waits, and nothing is lost or paid for twice."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bulk_places import PINNED, SPACE, SPEC, Hurried, MemorySource, Scripted, items
from processes import StandIn

from inferpoint.bulk import starting
from inferpoint.bulk.asking import Asking
from inferpoint.bulk.job import JobState
from inferpoint.bulk.manifest import opened
from inferpoint.bulk.sinks import opening
from inferpoint.bulk.verifying import verified
from inferpoint.bulk.working import Places, Worker

FAILING = 25  # writes that are answered with 500: more than the client itself repeats
COUNT = 3000


class Door(ThreadingHTTPServer):
    """A proxy that fails for so many writes as it is told."""

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), Through)
        self.behind = urlsplit(behind).netloc
        self.failing = 0
        self.lock = threading.Lock()

    def refuses(self, method: str) -> bool:
        with self.lock:
            self.failing -= method == "PUT" and self.failing > 0
            return method == "PUT" and self.failing > 0


class Through(BaseHTTPRequestHandler):
    """One request, handed on."""

    protocol_version = "HTTP/1.1"
    server: Door

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.refuses(self.command):
            self.send_response(500)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection(self.server.behind)
        behind.request(self.command, self.path, body, dict(self.headers))
        answer = behind.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = answer.getheader("content-length") if self.command == "HEAD" else str(len(data))
        self.send_header("content-length", length or "0")
        self.end_headers()
        self.wfile.write(data)
        behind.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - the names are the library's

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door(moto_s3: StandIn) -> Iterator[Door]:
    """The door, open."""
    door = Door(moto_s3.url)
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    yield door
    door.shutdown()
    door.server_close()
    thread.join()


def test_a_job_waits_for_a_bucket_that_answers_500(
    bucket: Callable[[], str], door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was answered is held until it can be written; the job says why it waits, and is right in the end."""
    address = f"{bucket()}/vectors/"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{door.server_address[1]}")
    manifest, source, inference = opened(tmp_path), MemorySource(items(COUNT)), Scripted()
    waits: list[str] = []
    sink = opening.opened(f"{address}?format=jsonl", False, (), "job")
    sink.open(SPACE)
    door.failing = FAILING
    job = starting.started("job", SPEC, PINNED, source, manifest, 0.0)
    places = Places(manifest, source, sink)
    asking = Asking(inference, Hurried(), embeds=True, waiting=lambda error: waits.append(str(error or "")))
    asyncio.run(Worker(job, places, asking, Hurried()).run())
    done = manifest.find("job")
    assert done is not None
    assert done.state is JobState.DONE
    assert any("500" in wait for wait in waits), set(waits)
    assert set(inference.asked.values()) == {1}
    assert verified(done, places).is_right
    sink.close()
    manifest.close()
