"""A worker that stands still loses its shards to another one, and does no harm when it goes on."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
from pathlib import Path

from bulk_storm import ENDPOINT, Provider, Stage
from real_processes import Inferpoint, Program, environ, eventually

from inferpoint.bulk.job import JobState
from inferpoint.bulk.manifest import opened

ITEMS = 8000


def stand_still(program: Program, manifest: Path) -> None:
    """Stop it at a moment when it is not writing, which nobody else could then."""
    while True:
        program.tell(signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(manifest, timeout=0.5, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                program.tell(signal.SIGCONT)
            else:
                return


def test_a_worker_that_stood_still_changes_nothing(tmp_path: Path) -> None:
    """Stopped as by SIGSTOP while it had shards, it comes back when another one has done the job."""
    data, sink = tmp_path / "data", tmp_path / "out.jsonl"
    with Provider(tmp_path) as provider:
        stage = Stage(tmp_path, provider, ITEMS)
        stage.prepare(data)
        provider.forget(ITEMS)
        with Inferpoint(data) as server:
            where = [f"--data-dir={data}", f"--server={server.url}", "--job=job"]
            embed = ["embed", str(stage.source), f"--endpoint={ENDPOINT}", f"--to={sink}", "--id=id", *where]
            command = [sys.executable, "-m", "inferpoint", *embed, "--limit=8000"]
            with Program(command, environ(tmp_path)) as begins:  # and is killed when the job is written down
                eventually(lambda: provider.served() > 0)
                begins.kill()
            worker = [sys.executable, str(Path(__file__).with_name("lease_worker.py")), str(data), server.url, "job"]
            with Program(worker, environ(tmp_path)) as stopped:
                before = provider.served()
                eventually(lambda: provider.served() > before)
                stand_still(stopped, data / "jobs/jobs.db")
                with Program(worker, environ(tmp_path)) as other:
                    assert other.ended() == 0, other.written.decode()
                stopped.tell(signal.SIGCONT)
                assert stopped.ended() == 0, stopped.written.decode()
        manifest = opened(data / "jobs")
        job = manifest.find("job")
        assert job is not None
        assert job.state is JobState.DONE
        assert manifest.counts("job").done == ITEMS
        manifest.close()
        rows = stage.rows(sink)
        assert len(rows) == ITEMS
        assert set(rows.values()) == {1}
        assert provider.again() <= 2 * 2048
