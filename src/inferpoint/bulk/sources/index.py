"""An index of Elasticsearch, data stream or alias: the documents that are in it, by their sequence numbers.

Each shard gives every change a number that is never used again (`_seq_no`), and a span is a range of them: the same
documents for whoever reads it and whenever, without a point in time that the cluster must hold open and a crash loses.
The largest number tells whether an index has changed. What came within the last refresh interval is not seen yet, and
an index whose sequence numbers are trimmed refuses to be searched by them, and says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.bulk import clusters
from inferpoint.bulk.addresses import Address
from inferpoint.bulk.objects import changed
from inferpoint.bulk.sources.records import SPAN_BYTES, item
from inferpoint.bulk.sources.source import Fields, Item, Source, Span, short
from inferpoint.errors import InferenceError, Kind, kind_of_status
from inferpoint.extras import extra

_ID = "_id"
_RESULTS = 10_000  # of one search at most, unless an index allows more


def index(place: Address, fields: Fields) -> Source:
    """The index at `http://host:9200/name` or `https://user:${PASSWORD}@host/name`.

    Parameters are `api_key`, and `ca_certs` for a file of certificates that are trusted.
    """
    place.only(*clusters.PARAMETERS)
    client, name = clusters.connected(place)
    return Index(client, name, fields)


class _Shard(msgspec.Struct, frozen=True):
    """One shard: the id of its index, its largest sequence number, and about how many bytes a document has."""

    uuid: str
    last: int
    document_bytes: float


class Index(Source):
    """The documents of an index, whose id is that of Elasticsearch where the job names no field for it."""

    def __init__(self, client: Any, name: str, fields: Fields) -> None:
        self._client, self._name = client, name
        self._fields = fields if fields.id is not None else msgspec.structs.replace(fields, id=_ID)

    @override
    def fingerprints(self) -> Mapping[str, str]:
        return {name: f"{shard.uuid}-{shard.last}" for name, shard in self._told().items()}

    @override
    def spans(self, most: int) -> Iterator[Span]:
        for name, shard in self._told().items():
            size = max(1, min(most, _RESULTS - 1, int(SPAN_BYTES / max(shard.document_bytes, 1))))
            begin = 0
            while hits := self._search(name, begin, shard.last + 1, size):
                end = hits[-1]["sort"][0] + 1
                yield Span(name, begin, end, len(hits))
                begin = end

    @override
    def read(self, span: Span, skip: int = 0) -> Iterator[Item]:
        hits = self._search(span.object, span.begin, span.end, span.items + 1, self._fields)
        if len(hits) > span.items:  # which of them were planned cannot be told
            raise changed(span.object)
        for hit in hits[skip:]:
            yield item({**hit.get("_source", {}), _ID: hit[_ID]}, self._fields)
        if len(hits) < span.items:
            raise short(span, len(hits))

    @override
    def close(self) -> None:
        self._client.close()

    def _told(self) -> Mapping[str, _Shard]:
        """The shards as the cluster tells about them, by the names of their indices with their numbers."""
        with self._worded():
            told = self._client.indices.stats(index=self._name, metric=["docs", "store"], level="shards").body
        shards: dict[str, _Shard] = {}
        for name, about in sorted(told["indices"].items()):
            for number, copies in about["shards"].items():
                primary = next((copy for copy in copies if copy["routing"]["primary"]), None)
                if primary is None:
                    raise InferenceError(Kind.OVERLOADED, f"[{name}] has no primary of its shard {number} now")
                size = primary["store"]["size_in_bytes"] / max(primary["docs"]["count"], 1)
                last = primary["seq_no"]["max_seq_no"]
                shards[f"{name}/{int(number):04d}"] = _Shard(about["uuid"], last, size)
        return dict(sorted(shards.items()))

    def _search(self, name: str, begin: int, end: int, size: int, fields: Fields | None = None) -> list[Any]:
        """The documents of a shard that have numbers from *begin* to before *end*, the first *size*, with *fields*."""
        index, _, number = name.rpartition("/")
        included = [fields.text, *fields.keep, *([fields.id] if fields.id else ())] if fields else []
        with self._worded():
            told = self._client.search(
                index=index,
                preference=f"_shards:{int(number)}|inferpoint",
                query={"range": {"_seq_no": {"gte": begin, "lt": end}}},
                sort=[{"_seq_no": "asc"}],
                size=size,
                source={"includes": included} if fields else False,
                track_total_hits=False,
                allow_partial_search_results=False,
            ).body
        return told["hits"]["hits"]

    @contextmanager
    def _worded(self) -> Generator[None]:
        errors = extra("elasticsearch", of="elasticsearch")
        try:
            yield
        except errors.ApiError as error:
            raise InferenceError(kind_of_status(error.status_code), f"[{self._name}]: {_words(error)}") from None
        except errors.TransportError as error:
            raise InferenceError(Kind.CUT_OFF, f"[{self._name}]: {str(error)[:500]}") from None


def _words(error: Any) -> str:
    """What the cluster says of its refusal."""
    match error.body:
        case {"error": {"reason": str(reason)}}:
            return f"{error.status_code}: {reason[:500]}"
        case _:
            return str(error)[:500]
