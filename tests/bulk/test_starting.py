"""A job is what its name says: gone on with when it is the same, refused when it is another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bulk_places import PINNED, SPACE, SPEC, MemorySource, items
from msgspec.structs import replace

from inferpoint.bulk import pinning, starting
from inferpoint.bulk.job import JobState, Pinned
from inferpoint.bulk.manifest import Manifest, opened
from inferpoint.errors import InferenceError, Kind


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    """An empty manifest."""
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"endpoint": "f"}, "endpoint"),
        ({"source": "other"}, "source"),
        ({"sink": "other"}, "sink"),
        ({"text": "body"}, "text"),
        ({"chunk": True}, "chunk"),
        ({"keep": ("title",)}, "keep"),
        ({"limit": 7}, "limit"),
        ({"mode": "batch"}, "mode"),
        ({"task_settings": {"user": "u"}}, "task_settings"),
    ],
)
def test_a_name_that_is_another_jobs_is_refused(manifest: Manifest, change: dict[str, Any], word: str) -> None:
    """A job that is started under the name of one that does something else is refused, by the word that differs."""
    job = starting.started("job", SPEC, PINNED, MemorySource(items(3)), manifest, 0.0)
    with pytest.raises(InferenceError, match=rf"\[job\] is one with \[{word}\]") as told:
        starting.resumed(job, replace(SPEC, **change), PINNED, manifest)
    assert told.value.kind is Kind.INVALID
    assert starting.usual_name(SPEC) != starting.usual_name(replace(SPEC, **change))


def test_how_a_job_is_done_may_change(manifest: Manifest) -> None:
    """Bounds of failures and the server that is asked are of this start, and not of the job."""
    job = starting.started("job", SPEC, PINNED, MemorySource(items(3)), manifest, 0.0)
    manifest.change("job", JobState.PAUSED, of=[JobState.RUNNING])
    spec = replace(SPEC, max_failed=0.5, on_error="stop", server="http://127.0.0.1:9210")
    assert starting.usual_name(spec) == starting.usual_name(SPEC)
    again = starting.resumed(job, spec, PINNED, manifest)
    assert again == manifest.find("job")
    assert (again.state, again.spec) == (JobState.RUNNING, spec)


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (replace(PINNED, service="cohere"), "service"),
        (replace(PINNED, space=replace(SPACE, model="n")), "model"),
        (replace(PINNED, space=replace(SPACE, dimensions=2)), "dimensions"),
        (replace(PINNED, space=replace(SPACE, similarity="dot_product")), "similarity"),
        (replace(PINNED, space=replace(SPACE, element="byte")), "element type"),
        (replace(PINNED, task_type="sparse_embedding"), "task type"),
    ],
)
def test_no_job_goes_on_with_other_vectors(manifest: Manifest, now: Pinned, word: str) -> None:
    """An endpoint of another space is refused by what differs, whatever is accepted."""
    job = starting.started("job", SPEC, PINNED, MemorySource(items(3)), manifest, 0.0)
    for accept in (False, True):
        with pytest.raises(InferenceError, match=f"The {word} of the endpoint was") as told:
            starting.resumed(job, SPEC, now, manifest, accept=accept)
        assert told.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "now",
    [
        replace(PINNED, objects={"a": "2"}),
        replace(PINNED, objects={}),
        replace(PINNED, objects={"a": "1", "b": "1"}),
    ],
)
def test_a_source_that_changed_is_accepted_only_when_that_is_said(manifest: Manifest, now: Pinned) -> None:
    """What is new, gone or of other content in a source is a conflict, and is gone on with when that is accepted."""
    job = starting.started("job", SPEC, PINNED, MemorySource(items(3)), manifest, 0.0)
    with pytest.raises(InferenceError, match=pinning.CHANGED) as told:
        starting.resumed(job, SPEC, now, manifest)
    assert told.value.kind is Kind.CONFLICT
    assert starting.resumed(job, SPEC, now, manifest, accept=True).pinned == now


def test_a_limit_cuts_the_last_shard(manifest: Manifest) -> None:
    """A job of at most so many items plans those and no more."""
    starting.started("job", replace(SPEC, limit=3000), PINNED, MemorySource(items(5000)), manifest, 0.0)
    assert [shard.items for shard in manifest.shards("job")] == [2048, 952]
    assert manifest.counts("job").planned == 3000


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a/", "ä", "a" * 65, "..", "a\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    """A name has few signs, so that it fits into a path, a file and a batch's id."""
    with pytest.raises(InferenceError, match="is no name of a job"):
        starting.refuse_name(name)


@pytest.mark.parametrize("source", ["docs.jsonl", "s3://bucket/a b/ÄÖ.parquet", "-", "x" * 500, "/"])
def test_a_job_without_a_name_has_a_usual_one(source: str) -> None:
    """The name of a job that was given none is one that may be given."""
    starting.refuse_name(starting.usual_name(replace(SPEC, source=source)))


@pytest.mark.parametrize("task_type", ["rerank", "chat_completion"])
def test_tasks_without_a_bulk_are_refused(task_type: str) -> None:
    """A job of a ranking or a chat is refused before anything is planned."""
    shown = {"inference_id": "e", "task_type": task_type, "service": "openai", "service_settings": {}}
    with pytest.raises(InferenceError, match="about one question at a time"):
        pinning.pinned(shown, {})
