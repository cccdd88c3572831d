"""Whether a job is what its books say: recounted from its source and its sink."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import msgspec

from inferpoint.bulk import owed, rows
from inferpoint.bulk.job import Job
from inferpoint.bulk.steps import every
from inferpoint.bulk.working import Places

_NAMED = 10  # ids of each sort


class Verified(msgspec.Struct, frozen=True):
    """What was counted. `missing` ids should be in the sink and are not, `twice` are there more than once.

    `repeated` are ids that several items of the source have, of which a sink that goes by ids holds the last. `foreign`
    are rows that are not of this job. Of the ids a few are named.
    """

    items: int
    done: int
    failed: int
    rows: int
    missing: int
    twice: int
    repeated: int
    foreign: int
    ids: dict[str, list[str]]

    @property
    def is_right(self) -> bool:
        """Whether every item is done or failed, and each that is done is in the sink, once."""
        return self.items == self.done + self.failed and not self.missing and not self.twice


def verified(job: Job, places: Places) -> Verified:
    """The recount of *job*, for which the whole source and the whole sink are read."""
    counts = places.manifest.counts(job.name)
    failed = {failure.item for failure in places.manifest.every_failure(job.name)}
    documents, items = _documents(job, places, failed | _owed(job, places))
    held: Counter[str] = Counter()
    total = foreign = 0
    several: Counter[str] = Counter()
    for row in places.sink.ids(places.manifest.receipts(job.name)):
        document = _document(job, row)
        total += 1
        if document not in documents:
            foreign += 1
            continue
        several[row] += 1
        held[document] += 1
    repeated = [name for name, number in documents.items() if number > 1]
    missing = [name for name in documents if not held[name]]
    twice = [name for name, number in several.items() if number > 1 and documents[_document(job, name)] == 1]
    return Verified(
        items,
        counts.done,
        counts.failed,
        total,
        len(missing),
        len(twice),
        len(repeated),
        foreign,
        {"missing": missing[:_NAMED], "twice": twice[:_NAMED], "repeated": repeated[:_NAMED]},
    )


def _owed(job: Job, places: Places) -> set[int]:
    with places.manifest.transaction(f"read how far [{job.name}] is") as connection:
        return owed.numbers(connection, job.name)


def _document(job: Job, row: str) -> str:
    return row.rpartition("#")[0] if job.spec.chunk else row


def _documents(job: Job, places: Places, without: set[int]) -> tuple[Counter[str], int]:
    """How many items that are done have each id, and how many items there are in all."""
    documents: Counter[str] = Counter()
    items = 0
    for shard in places.manifest.shards(job.name):
        if shard.only is not None:
            continue
        items += shard.items
        for number, item in islice(enumerate(every(places.source, shard), shard.first_item), shard.done):
            if number not in without:
                documents[rows.item_id(number, item)] += 1
    return documents, items
