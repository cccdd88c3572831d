"""Bulk jobs in a program: started by what they do, worked on, looked at and changed; awaited and waited for."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bulk_places import Scripted

from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.bulk.job import FailureKind, JobState
from inferpoint.errors import Kind, invalid
from inferpoint.library import BulkJob, ConnectedJob, ConnectedJobs, Jobs

COUNT = 100


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """What a job is to do, with documents for it."""
    write(tmp_path, COUNT)
    return {"source": f"{tmp_path}/docs.jsonl", "endpoint": "e", "to": f"{tmp_path}/out.jsonl", "id": "id"}


def write(folder: Path, count: int) -> None:
    rows = [{"id": f"d{number}", "text": f"text {number}", "page": number} for number in range(count)]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


class Awaited:
    """An object whose methods are awaited, so that one test is for both ways."""

    def __init__(self, awaited: Any, run: Callable[[Any], Any]) -> None:
        self._awaited, self._run = awaited, run

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._awaited, name)
        if inspect.isasyncgenfunction(member):
            return lambda: self._run(collected(member()))
        if callable(member):
            return lambda *given, **named: self._wrapped(self._run(member(*given, **named)))
        return Awaited(member, self._run) if isinstance(member, Jobs) else member

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._wrapped(one) for one in value]
        return Awaited(value, self._run) if isinstance(value, BulkJob) else value


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.fixture(params=["waiting", "awaiting"])
def ip(request: pytest.FixtureRequest, endpoint: Scripted, tmp_path: Path) -> Iterator[Any]:
    """An open Inferpoint of either class, in a folder of its own."""
    if request.param == "waiting":
        with connect(tmp_path / "data") as connected:
            yield connected
        return
    with asyncio.Runner() as runner:
        awaiting = Inferpoint(tmp_path / "data")
        runner.run(awaiting.open())
        try:
            yield Awaited(awaiting, runner.run)
        finally:
            runner.run(awaiting.close())


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]


def test_a_job_is_started_run_and_looked_at(ip: Any, job: dict[str, Any], endpoint: Scripted, tmp_path: Path) -> None:
    """Each item is done once, and what is known of the job says so; started again it is done."""
    started = ip.jobs.start(**job, keep=["page"], name="docs")
    assert started.name == "docs"
    assert started.read().state is JobState.RUNNING
    counts = started.run()
    assert (counts.planned, counts.done, counts.failed, counts.rows) == (COUNT, COUNT, 0, COUNT)
    assert {row["id"]: row["page"] for row in rows(tmp_path)} == {f"d{number}": number for number in range(COUNT)}
    assert ip.jobs.start(**job, keep=["page"], name="docs").run() == counts == started.counts()
    assert set(endpoint.asked.values()) == {1}
    assert started.verify().is_right
    assert [one.name for one in ip.jobs.all()] == ["docs"]
    assert (tmp_path / "data" / "jobs" / "jobs.db").exists()
    started.delete()
    with pytest.raises(InferenceError, match=r"There is no job \[docs\]"):
        ip.jobs.get("docs")


def test_items_that_failed_are_tried_again(ip: Any, job: dict[str, Any], endpoint: Scripted, tmp_path: Path) -> None:
    """Failures are told one by one, and done by the next run once whoever refused them takes them."""
    endpoint.faults = {"text 7": invalid("not this")}
    started = ip.jobs.start(**job)
    assert started.run().failed == 1
    (failure,) = started.failures()
    assert (failure.id, failure.kind, failure.message) == ("d7", FailureKind.REFUSED, "not this")
    endpoint.faults = {}
    assert started.retry() == 1
    assert started.run().failed == 0
    assert list(started.failures()) == []
    assert len(rows(tmp_path)) == COUNT


def test_what_is_not_done_is_an_error(ip: Any, job: dict[str, Any], endpoint: Scripted) -> None:
    """A job that is stopped, paused or cancelled is never taken for one that is done."""
    endpoint.faults = {"text 7": invalid("not this")}
    started = ip.jobs.start(**job, on_error="stop")
    with pytest.raises(InferenceError, match=r"is stopped: \[1\] items have failed, and \[0\] may"):
        started.run()
    started.resume()
    started.pause()
    with pytest.raises(InferenceError, match="is paused") as told:
        started.run()
    assert told.value.kind is Kind.CONFLICT
    started.cancel()
    with pytest.raises(InferenceError, match="is cancelled"):
        started.run()


def test_a_source_that_changed_is_accepted_only_when_that_is_said(ip: Any, job: dict[str, Any], tmp_path: Path) -> None:
    """Whatever was started of another source is not gone on with by mistake."""
    ip.jobs.start(**job, name="docs")
    write(tmp_path, COUNT + 1)
    with pytest.raises(InferenceError, match="has changed since the job began") as told:
        ip.jobs.start(**job, name="docs")
    assert told.value.kind is Kind.CONFLICT
    assert ip.jobs.start(**job, name="docs", accept_changes=True).run().done == COUNT


def test_a_misspelt_option_is_python_s_own_error(ip: Any, job: dict[str, Any]) -> None:
    """The name of a parameter that there is not is a `TypeError`."""
    with pytest.raises(TypeError, match=r"jobs\.start.* unexpected keyword argument 'chunked'"):
        ip.jobs.start(**job, chunked=True)


def test_jobs_are_of_an_open_inferpoint(endpoint: Scripted, tmp_path: Path) -> None:
    """Before it is opened, and after it was closed, there is nobody to ask."""
    inferpoint = Inferpoint(tmp_path)
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(inferpoint.jobs.all())


def test_the_environment_says_where_jobs_are_written_down(
    ip: Any, job: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder than the data folder's, for instance."""
    monkeypatch.setenv("INFERPOINT_JOBS", str(tmp_path / "books"))
    assert ip.jobs.start(**job).run().done == COUNT
    assert (tmp_path / "books" / "jobs.db").exists()
    assert not (tmp_path / "data" / "jobs").exists()


def methods(cls: type[Any]) -> dict[str, Any]:
    return {name: each for name, each in vars(cls).items() if inspect.isfunction(each) and not name.startswith("_")}


@pytest.mark.parametrize(("waiting", "awaiting"), [(ConnectedJobs, Jobs), (ConnectedJob, BulkJob)])
def test_every_method_waits_where_there_is_no_await(waiting: type[Any], awaiting: type[Any]) -> None:
    """Whatever a program can await, a program that does not can call, and reads the same help for it."""
    own = {name: method for name, method in methods(awaiting).items() if name not in ("close", "run_shard")}
    assert methods(waiting).keys() == own.keys()
    for name, method in own.items():
        assert methods(waiting)[name].__doc__ == method.__doc__
        assert inspect.signature(methods(waiting)[name]).parameters == inspect.signature(method).parameters
