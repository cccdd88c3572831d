"""The books of jobs, in a file of SQLite's and in a real PostgreSQL: who has what, and what was paid."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bulk_places import PINNED, SPEC, MemorySource, items

from inferpoint.bulk import starting
from inferpoint.bulk.job import Counts, Failure, FailureKind, JobState, Paid, Shard
from inferpoint.bulk.manifest import Manifest, Outcome, opened
from inferpoint.bulk.owners import has_died, own_name
from inferpoint.bulk.sinks.sink import Receipt
from inferpoint.errors import InferenceError, Kind


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a manifest is: a folder, and a database of a PostgreSQL that runs."""
    if request.param == "sqlite":
        yield str(tmp_path)
        return
    yield request.getfixturevalue("database")


@pytest.fixture
def make(place: str) -> Iterator[Callable[[], Manifest]]:
    """Opens the one manifest, as often as there are workers."""
    made: list[Manifest] = []

    def open_another() -> Manifest:
        made.append(opened(place))
        return made[-1]

    yield open_another
    for manifest in made:
        manifest.close()


def begun(manifest: Manifest, count: int = 6000) -> None:
    starting.started("job", SPEC, PINNED, MemorySource(items(count)), manifest, 0.0)


def claimed(manifest: Manifest, owner: str = "a", now: float = 0.0) -> Shard:
    shard = manifest.claim("job", owner, now, 60.0)
    assert shard is not None
    return shard


def done(count: int, *failures: Failure, rows: int | None = None) -> Outcome:
    return Outcome(count, Receipt(count if rows is None else rows, "file"), failures, Paid(2, 10 * count, 7))


def test_a_job_is_read_as_it_was_written(make: Callable[[], Manifest]) -> None:
    """What a job is to do and relies on is the same for whoever opens the books later; a name is one job's."""
    begun(make())
    manifest = make()
    job = manifest.find("job")
    assert job is not None
    assert (job.spec, job.pinned, job.state) == (SPEC, PINNED, JobState.RUNNING)
    assert [shard.first_item for shard in manifest.shards("job")] == [0, 2048, 4096]
    begun(manifest, 100)
    assert [shard.items for shard in manifest.shards("job")] == [2048, 2048, 1904], "a job was begun twice"
    assert manifest.find("other") is None
    assert [each.name for each in manifest.jobs()] == ["job"]
    assert manifest.remove("job")
    assert not manifest.remove("job")
    assert manifest.shards("job") == []


def test_no_shard_has_two_owners(make: Callable[[], Manifest]) -> None:
    """Workers that claim at the same time have different shards, and all of them together each once."""
    begun(make(), 2048 * 60)
    claims: list[int] = []

    def claim(owner: str, manifest: Manifest) -> None:
        while (shard := manifest.claim("job", owner, 0.0, 60.0)) is not None:
            claims.append(shard.number)

    threads = [threading.Thread(target=claim, args=(str(number), make())) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(claims) == Counter(range(60))


def test_a_lease_ends_unless_it_is_renewed(make: Callable[[], Manifest]) -> None:
    """A shard is another worker's when its time is over, and not before; never its own worker's again."""
    manifest = make()
    begun(manifest, 100)
    assert claimed(manifest).attempt == 1
    assert manifest.claim("job", "b", 59.0, 60.0) is None
    assert manifest.renew("job", "a", 119.0) == 1
    assert manifest.claim("job", "b", 100.0, 60.0) is None
    assert manifest.claim("job", "a", 120.0, 60.0) is None
    assert claimed(manifest, "b", 120.0).attempt == 2
    assert manifest.renew("job", "a", 500.0) == 0
    assert manifest.owners("job") == ["b"]


def test_what_comes_too_late_is_paid_and_does_not_count(make: Callable[[], Manifest]) -> None:
    """A part of a worker that lost its shard is in the books as paid, and changes nothing else."""
    manifest = make()
    begun(manifest, 100)
    first = claimed(manifest)
    second = claimed(manifest, "b", 61.0)
    failure = Failure(3, "d3", FailureKind.EMPTY, "no text")
    assert not manifest.commit("job", "a", first, done(100, failure))
    assert manifest.counts("job") == Counts(100, 0, 0, 0, 2, 1000, 7, 1, 0)
    assert manifest.commit("job", "b", second, done(100))
    assert manifest.counts("job") == Counts(100, 100, 0, 100, 4, 2000, 14, 1, 1)
    assert len(manifest.receipts("job")) == 1


def test_a_shard_goes_on_where_it_was_left(make: Callable[[], Manifest]) -> None:
    """The parts of a shard that were written down are not done again by whoever has it next."""
    manifest = make()
    begun(manifest, 1000)
    shard = claimed(manifest)
    assert manifest.commit("job", "a", shard, done(512))
    assert manifest.release("job", "a") == 1
    again = claimed(manifest, "b")
    assert (again.done, again.attempt) == (512, 2)
    assert manifest.commit("job", "b", again, done(488))
    assert manifest.left("job") == []
    assert manifest.counts("job").done == 1000


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.STOPPED, JobState.CANCELLED, JobState.DONE])
def test_only_a_running_job_has_shards_to_claim(make: Callable[[], Manifest], state: JobState) -> None:
    """Of a job that somebody paused, stopped or ended nobody claims anything."""
    manifest = make()
    begun(manifest)
    assert manifest.change("job", state, of=[JobState.RUNNING], reason="why")
    assert manifest.claim("job", "a", 0.0, 60.0) is None
    assert not manifest.change("job", JobState.PAUSED, of=[JobState.RUNNING])
    job = manifest.find("job")
    assert job is not None
    assert (job.state, job.reason) == (state, "why")


def test_failures_are_read_page_by_page(make: Callable[[], Manifest]) -> None:
    """However many items failed, they come in order, and each once."""
    manifest = make()
    begun(manifest, 2048)
    failures = [Failure(number, f"d{number}", FailureKind.REFUSED, "é\n") for number in range(0, 2048, 2)]
    assert manifest.commit("job", "a", claimed(manifest), done(2048, *failures, rows=1024))
    assert manifest.failures("job", 10, 2) == failures[6:8]
    assert list(manifest.every_failure("job")) == failures


def test_a_worker_that_died_is_known(tmp_path: Path) -> None:
    """The name of a process of this machine that ended says so; those of living ones and of other machines do not."""
    program = "from inferpoint.bulk.owners import own_name; print(own_name())"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, env=dict(os.environ)
    )
    assert has_died(printed.stdout.strip())
    assert not has_died(own_name())
    assert own_name() != own_name()
    machine, process, _begun, word = own_name().split("/")
    assert has_died(f"{machine}/{process}/1/{word}"), "another process that has the number now"
    assert not has_died(f"elsewhere/{printed.stdout.strip().partition('/')[2]}")
    assert not has_died("")


def test_books_that_cannot_be_opened_are_told(tmp_path: Path) -> None:
    """A folder that is a file, and a database that is none, are errors in words and without a trace of a statement."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(InferenceError, match="cannot be used") as told:
        opened(tmp_path / "file")
    assert told.value.kind is Kind.INVALID
    (tmp_path / "jobs.db").write_bytes(b"no database" * 1000)
    with pytest.raises(InferenceError, match="Failed to open the jobs: file is not a database") as told:
        opened(tmp_path)
    assert told.value.kind is Kind.INTERNAL
