"""An index of Elasticsearch, which says in its mapping what space it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.bulk.clusters import reason, worded
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.elasticsearch_forms import COUNT, Document, Form
from inferpoint.bulk.sinks.elasticsearch_sending import Sending, delete, put
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sinks.spaces import agreeing, by_document, fitting
from inferpoint.errors import invalid

_ID_BYTES = 512  # of `_id`
_PAGE = 10_000
_KEPT = "2m"  # between two pages


class ElasticsearchSink(Sink):
    """Documents by `_id`.

    The first document of an item says how many chunks it has, and there are never more: those that are too many go
    before it is written, and those that are new come after it.
    """

    def __init__(self, client: Any, index: str, form: Form, sending: Sending, *, chunked: bool) -> None:
        self._client, self._index, self._form, self._sending, self._chunked = client, index, form, sending, chunked
        self._space: Space | None = None

    @override
    def open(self, space: Space) -> None:
        self._space = space
        with worded():
            if self._client.indices.exists(index=self._index) or not self._made(space):
                (mapped,) = self._client.indices.get_mapping(index=self._index).body.values()
                self._agreed(mapped["mappings"], space)

    def _made(self, space: Space) -> bool:
        """Whether the index was made, and not by somebody else in this moment."""
        mappings = {"_meta": self._meta({}), "properties": self._form.properties(space, {})}
        answer = self._client.options(ignore_status=400).indices.create(index=self._index, mappings=mappings)
        if answer.meta.status == 400 and answer.body["error"]["type"] != "resource_already_exists_exception":
            raise invalid(f"Elasticsearch: {reason(answer.body['error'])}")
        return answer.meta.status != 400

    def _agreed(self, mappings: Mapping[str, Any], space: Space) -> None:
        held = mappings.get("_meta", {})
        told = held.get("inferpoint")
        agreeing(self._index, told, space)
        if told is not None and told["chunked"] != self._chunked:
            raise invalid(f"[{self._index}] holds {'chunks of items' if told['chunked'] else 'whole items'}")
        missing = self._form.properties(space, mappings.get("properties", {}))
        if told is None or missing:
            self._client.indices.put_mapping(index=self._index, meta=self._meta(held), properties=missing)

    def _meta(self, held: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**held, "inferpoint": {**msgspec.to_builtins(self._space), "chunked": self._chunked}}

    @override
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        assert self._space is not None, "a sink is opened before it is written"
        rows, unfit = fitting(rows, self._space)
        rejected = dict(unfit)
        items: dict[str, list[Document]] = {}
        counts: dict[str, int] = {}
        for document, of_item in by_document(rows).items():
            items[document] = self._form.documents(of_item, self._space)
            counts[document] = len(of_item)
            if not all(0 < len(own_id.encode()) <= _ID_BYTES for own_id, _ in items[document]):
                rejected[document] = f"An id of Elasticsearch has 1 to {_ID_BYTES} bytes"
                del items[document]
        rejected |= self._in_order(items) if self._form.by_chunk else self._put(items, slice(None))
        return Receipt(sum(counts[document] for document in items if document not in rejected), rejected=rejected)

    def _in_order(self, items: Mapping[str, Sequence[Document]]) -> Mapping[str, str]:
        """Put the chunks of items, or, where one of them is rejected, none."""
        self._sending.send(
            delete(document, f"{document}#{number}")
            for document, count in self._counts(items).items()
            for number in range(len(items[document]), count)
        )
        rejected = dict(self._put(items, slice(1)))
        rejected |= self._put({name: item for name, item in items.items() if name not in rejected}, slice(1, None))
        self._sending.send(delete(name, own_id) for name in rejected for own_id, _ in items[name])
        return rejected

    def _put(self, items: Mapping[str, Sequence[Document]], which: slice) -> Mapping[str, str]:
        return self._sending.send(
            put(name, own_id, members) for name, documents in items.items() for own_id, members in documents[which]
        )

    def _counts(self, items: Mapping[str, Sequence[Document]]) -> Mapping[str, int]:
        """How many documents items have by now."""
        if not items:
            return {}
        first = {documents[0][0]: document for document, documents in items.items()}
        with worded():
            held = self._client.mget(index=self._index, ids=[*first], source_includes=[COUNT]).body["docs"]
        return {first[one["_id"]]: one["_source"].get(COUNT, 0) for one in held if one.get("found")}

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        with worded():
            self._client.indices.refresh(index=self._index)

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        with worded():
            self._client.indices.refresh(index=self._index)
            view = self._client.open_point_in_time(index=self._index, keep_alive=_KEPT).body["id"]
            try:
                yield from self._pages(view)
            finally:
                self._client.close_point_in_time(id=view)

    def _pages(self, view: str) -> Iterator[str]:
        after: Any = None
        while True:
            answer = self._client.search(
                pit={"id": view, "keep_alive": _KEPT},
                size=_PAGE,
                sort=[{"_shard_doc": "asc"}],
                search_after=after,
                source_includes=[COUNT],
                track_total_hits=False,
            ).body
            hits = answer["hits"]["hits"]
            for hit in hits:
                yield from self._form.ids(hit["_id"], hit["_source"].get(COUNT))
            if len(hits) < _PAGE:
                return
            view, after = answer.get("pit_id", view), hits[-1]["sort"]

    @override
    def close(self) -> None:
        self._client.close()
