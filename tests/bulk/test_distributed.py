"""A job on engines that exist: a real server, a real cluster of Dask's, and processes that are killed."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

import pytest
from bulk_storm import ENDPOINT, Provider, Stage
from real_processes import Inferpoint, Program, environ, eventually

from inferpoint.errors import InferenceError
from inferpoint.library.distributed import engine

ITEMS = 12_000


def test_a_job_on_dask_outlives_one_of_its_workers(tmp_path: Path) -> None:
    """Of two workers one is killed while both do shards: every item is in the sink once all the same."""
    pytest.importorskip("distributed", reason="`make bulk` installs Dask in .venvs/bulk")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        from distributed import Client, LocalCluster

    data, sink = tmp_path / "data", tmp_path / "out.jsonl"
    where = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with Provider(tmp_path) as provider:
        stage = Stage(tmp_path, provider, ITEMS)
        stage.prepare(data)
        provider.forget(ITEMS)
        with (
            Inferpoint(data) as server,
            LocalCluster(**where, local_directory=str(tmp_path / "dask")) as cluster,
            Client(cluster) as client,
        ):
            at = cluster.scheduler_address.replace("tcp://", "dask://")
            job = ["embed", str(stage.source), f"--endpoint={ENDPOINT}", f"--to={sink}", "--id=id", f"--on={at}"]
            arguments = [*job, f"--data-dir={data}", f"--server={server.url}"]
            with Program([sys.executable, "-m", "inferpoint", *arguments], environ(tmp_path)) as program:
                eventually(lambda: provider.served() > 0)
                victim = next(iter(client.run(os.getpid).values()))
                os.kill(victim, signal.SIGKILL)
                assert program.ended() == 0, program.written.decode()
        rows = stage.rows(sink)
        assert len(rows) == ITEMS
        assert set(rows.values()) == {1}
        assert provider.again() <= 2048


@pytest.mark.parametrize("address", ["", "dask", "spark://host:1", "dask://", "http://host"])
def test_an_engine_that_is_none_is_told(address: str) -> None:
    """In words that name those that there are."""
    with pytest.raises(InferenceError, match="is no engine: there are dask://HOST:PORT"):
        engine(address)


def test_an_engine_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InferenceError, match=r"pip install 'inferpoint\[ray\]'"):
        engine("ray://local")(print, [1])
