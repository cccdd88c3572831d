"""The beginning of a job, or its going on: a name is its identity."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.bulk.job import SHARD_ITEMS, Job, JobState, Pinned, Shard, Spec
from inferpoint.bulk.manifest import Manifest
from inferpoint.bulk.pinning import refuse_changed
from inferpoint.bulk.sources.opening import STDIN
from inferpoint.bulk.sources.source import Source, Span
from inferpoint.errors import invalid

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_TRIED = 100  # items that are read before a job begins
# How a job is done, and not what it does.
_CHANGEABLE = frozenset({"on_error", "max_failed", "server", "caller", "poll", "fallback"})


def refuse_name(name: str) -> None:
    """`INVALID` for a name that no job may have."""
    if NAME.fullmatch(name) is None:
        raise invalid(
            f"[{name}] is no name of a job: it has up to 64 of a-z, 0-9, [.], [_] and [-], and begins and ends with"
            " a letter or a number"
        )


def refuse_nameless(spec: Spec) -> None:
    """`INVALID` for a job without a name that is about standard input, which is another one each time."""
    if spec.source.partition("?")[0] == STDIN:
        raise invalid("A job of standard input needs a name, by which it goes on: --job NAME")


def usual_name(spec: Spec) -> str:
    """A name for a job that has none: equal for what does the same, so that it goes on when it is started again."""
    digest = hashlib.sha256(msgspec.json.encode(_doing(spec), order="sorted")).hexdigest()
    stem = re.sub(r"[^a-z0-9]+", "-", spec.source.lower().rstrip("/").rpartition("/")[2]).strip("-")
    return f"{stem[:40].rstrip('-') or 'job'}-{digest[:8]}"


def started(name: str, spec: Spec, pinned: Pinned, source: Source, manifest: Manifest, now: float) -> Job:
    """A new job with all its shards, written down; where another process was faster, that one's, to go on with."""
    shards = list(_limited(planned(source.spans(SHARD_ITEMS)), spec.limit))
    _refuse_unreadable(source, shards[:1])
    job = Job(name, JobState.RUNNING, spec, pinned, now)
    if manifest.add(job, shards) or (faster := manifest.find(name)) is None:
        return job
    return resumed(faster, spec, pinned, manifest)


def resumed(job: Job, spec: Spec, pinned: Pinned, manifest: Manifest, *, accept: bool = False) -> Job:
    """*job*, to go on with as *spec* says; as it is where it is done or was cancelled.

    `INVALID` when *spec* is about something else, `CONFLICT` when what it relies on has changed.
    """
    refuse_other(job, spec)
    refuse_changed(job.pinned, pinned, accept=accept)
    if job.state in (JobState.DONE, JobState.CANCELLED):
        return job
    kept = pinned if accept else job.pinned
    manifest.respecify(job.name, spec, kept)
    manifest.change(job.name, JobState.RUNNING, of=[JobState.PAUSED, JobState.STOPPED])
    return replace(job, state=JobState.RUNNING, spec=spec, pinned=kept, reason=None)


def refuse_other(job: Job, spec: Spec) -> None:
    """`INVALID` when *spec* is about something else than *job*."""
    was, wanted = _doing(job.spec), _doing(spec)
    for name in was:
        if was[name] != wanted[name]:
            raise invalid(
                f"The job [{job.name}] is one with [{name}] [{was[name]}] and not [{wanted[name]}]: a job of another"
                " name does that"
            )


def planned(spans: Iterator[Span]) -> Iterator[Shard]:
    """A shard for each span, with the numbers that its items have in the job."""
    first = 0
    for number, span in enumerate(spans):
        yield Shard(number, span.object, span.begin, span.end, first, span.items)
        first += span.items


def _refuse_unreadable(source: Source, shards: Sequence[Shard]) -> None:
    """`INVALID` where not one of the first items can be read: the fields have other names, or the format is another."""
    for shard in shards:
        items = list(islice(source.read(Span(shard.object, shard.begin, shard.end, shard.items)), _TRIED))
        problems = [item.problem for item in items if item.problem is not None]
        if problems and len(problems) == len(items):
            raise invalid(f"Of the first {len(items)} items of [{shard.object}] none can be read: {problems[0]}")


def _limited(shards: Iterator[Shard], limit: int | None) -> Iterator[Shard]:
    """The shards with the first *limit* items; of the last one only some."""
    for shard in shards:
        if limit is None or shard.first_item + shard.items <= limit:
            yield shard
            continue
        if shard.first_item < limit:
            yield replace(shard, items=limit - shard.first_item)
        return


def _doing(spec: Spec) -> dict[str, Any]:
    """What a job does, without how."""
    members = msgspec.structs.asdict(spec)
    return {name: value for name, value in members.items() if name not in _CHANGEABLE}
